"""The digest of a shared file is remembered as long as no program writes to it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.models.store.digest_index import DigestIndex
from tests.unit.ramalama.models.store.filled import digest_of

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = digest_of(b"weights")


def index_in(directory: Path) -> DigestIndex:
    return DigestIndex(directory / "index.json", scratch=directory / "tmp")


def make(directory: Path, name: str = "file", content: bytes = b"weights") -> Path:
    path = directory / name
    path.write_bytes(content)
    return path


def test_an_unchanged_file_is_known_under_every_name(tmp_path: Path) -> None:
    path = make(tmp_path)
    index_in(tmp_path).remember(path.stat(), DIGEST)
    path.rename(tmp_path / "other")

    assert index_in(tmp_path).find((tmp_path / "other").stat()) == DIGEST


def test_a_file_that_was_written_to_is_not_known(tmp_path: Path) -> None:
    path = make(tmp_path)
    index_in(tmp_path).remember(path.stat(), DIGEST)
    before = path.stat()

    path.write_bytes(b"Weights")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))

    assert index_in(tmp_path).find(path.stat()) is None

    path.write_bytes(b"longer weights")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert index_in(tmp_path).find(path.stat()) is None


def test_a_file_has_the_digest_it_was_last_read_with(tmp_path: Path) -> None:
    path, other = make(tmp_path), make(tmp_path, "other")
    index = index_in(tmp_path)
    index.remember(other.stat(), DIGEST)
    index.remember(path.stat(), DIGEST)
    path.write_bytes(b"more")
    index.remember(path.stat(), digest_of(b"more"))

    assert index.find(path.stat()) == digest_of(b"more")
    assert index.find(other.stat()) == DIGEST
    assert (tmp_path / "index.json").read_text().count(str(path.stat().st_ino)) == 1


def test_entries_that_are_not_wanted_are_removed(tmp_path: Path) -> None:
    path, other = make(tmp_path), make(tmp_path, "other", b"other")
    index = index_in(tmp_path)
    index.remember(path.stat(), DIGEST)
    index.remember(other.stat(), digest_of(b"other"))

    index.prune(lambda digest: digest == DIGEST)

    assert index.find(path.stat()) == DIGEST
    assert index.find(other.stat()) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'{"version": 2, "files": []}',
        b'{"version": 1, "files": {}}',
        b'{"version": 1, "files": [1, [], [1, 2, 3, 4], [1, 2, 3, 4, "x"], [[], 2, 3, 4, null]]}',
        b"[" * 100_000,
    ],
)
def test_an_index_that_is_none_knows_nothing_and_is_written_anew(
    tmp_path: Path, content: bytes
) -> None:
    make(tmp_path, "index.json", content)
    path, index = make(tmp_path), index_in(tmp_path)

    assert index.find(path.stat()) is None

    index.remember(path.stat(), DIGEST)

    assert index.find(path.stat()) == DIGEST


@given(value=st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_no_row_of_an_index_breaks_it(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    directory = tmp_path_factory.mktemp("index")
    path = make(directory)
    make(directory, "index.json", json.dumps({"version": 1, "files": [value]}).encode())

    assert index_in(directory).find(path.stat()) is None
