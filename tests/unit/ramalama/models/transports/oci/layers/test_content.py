"""Bytes that are sent come from memory and files, in the right order and all of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.errors import ModelPushError
from ramalama.models.transports.oci.layers.content import Content, FilePart

if TYPE_CHECKING:
    from pathlib import Path


@given(parts=st.lists(st.binary(max_size=20), max_size=6), data=st.data())
def test_any_piece_of_a_content_is_that_piece(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    first = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(first, len(whole)))

    content = Content(tuple(parts))

    assert b"".join(content.blocks(first, end)) == whole[first:end]
    assert content.size == len(whole)
    assert content.digest().hex == hashlib.sha256(whole).hexdigest()


def test_files_are_read_in_blocks_between_what_is_in_memory(tmp_path: Path) -> None:
    middle = bytes(range(256)) * 10_000
    file = tmp_path / "file"
    file.write_bytes(middle)
    content = Content((b"before", FilePart(path=file, size=len(middle)), b"after"))
    whole = b"before" + middle + b"after"

    assert content.size == len(whole)
    assert b"".join(content.blocks()) == whole
    assert b"".join(content.blocks(3, 8)) == whole[3:8]
    assert b"".join(content.blocks(1_500_000, len(whole) - 2)) == whole[1_500_000:-2]
    assert max(map(len, content.blocks())) == 1024 * 1024
    assert content.digest().hex == hashlib.sha256(whole).hexdigest()


def test_a_file_that_grows_is_sent_as_it_was_and_one_that_shrinks_is_an_error(
    tmp_path: Path,
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345678")

    assert b"".join(Content((FilePart(path=file, size=5),)).blocks()) == b"12345"
    with pytest.raises(ModelPushError, match=f"{file} has become shorter"):
        list(Content((FilePart(path=file, size=9),)).blocks())


def test_a_file_that_is_gone_is_an_error_that_names_it(tmp_path: Path) -> None:
    gone = FilePart(path=tmp_path / "gone", size=1)

    with pytest.raises(ModelPushError, match="gone cannot be read: No such file"):
        Content((b"x", gone)).digest()
