"""Contents are stored once, even if several processes put them, and never change."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from ramalama.models.download.values import FetchedBlob
from ramalama.models.store.caches.adopt import adopt
from ramalama.models.store.cas import ContentStore
from tests.unit.ramalama.models.store.filled import digest_of, fetch

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = b"weights"
DIGEST = digest_of(CONTENT)


@pytest.fixture
def contents(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path)


def test_a_content_is_under_its_digest_and_read_only(
    tmp_path: Path, contents: ContentStore
) -> None:
    path = contents.put(fetch(tmp_path, CONTENT))

    assert path == tmp_path / "cas/sha256" / DIGEST.hex[:2] / DIGEST.hex[2:]
    assert path.read_bytes() == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert contents.find(DIGEST) == path
    assert list(contents.all()) == [DIGEST]


def test_what_was_fetched_is_moved_and_not_copied(tmp_path: Path, contents: ContentStore) -> None:
    fetched = fetch(tmp_path, CONTENT)
    inode = fetched.path.stat().st_ino

    path = contents.put(fetched)

    assert path.stat().st_ino == inode
    assert path.stat().st_nlink == 1
    assert not fetched.path.exists()


def test_a_content_that_is_put_again_stays_the_file_that_it_is(
    tmp_path: Path, contents: ContentStore
) -> None:
    inode = contents.put(fetch(tmp_path, CONTENT)).stat().st_ino
    again = fetch(tmp_path, CONTENT)

    path = contents.put(again)

    assert path.stat().st_ino == inode
    assert not again.path.exists()


def test_a_file_that_another_process_has_just_put_is_no_error(
    tmp_path: Path, contents: ContentStore
) -> None:
    fetched = fetch(tmp_path, CONTENT)
    path = contents.put(fetched)

    assert contents.put(fetched) == path


def test_a_file_that_is_not_there_cannot_be_put(tmp_path: Path, contents: ContentStore) -> None:
    nothing = FetchedBlob(path=tmp_path / "nothing", digest=DIGEST, size=7)

    with pytest.raises(FileNotFoundError):
        contents.put(nothing)


def test_what_a_kill_left_under_both_names_is_put_again(
    tmp_path: Path, contents: ContentStore
) -> None:
    fetched = fetch(tmp_path, CONTENT)
    path = contents.path(DIGEST)
    path.parent.mkdir(parents=True)
    path.hardlink_to(fetched.path)
    fetched.path.chmod(0o444)

    contents.put(fetched)

    assert path.stat().st_nlink == 1
    assert path.read_bytes() == CONTENT


def test_what_is_not_here_is_not_found(tmp_path: Path, contents: ContentStore) -> None:
    assert contents.find(DIGEST) is None
    assert not contents.verify(DIGEST)
    assert list(contents.all()) == []

    (tmp_path / "cas").write_text("no directory")

    assert contents.find(DIGEST) is None


def test_a_content_that_decayed_on_the_disk_is_told_from_a_good_one(
    tmp_path: Path, contents: ContentStore
) -> None:
    path = contents.put(fetch(tmp_path, CONTENT))

    assert contents.verify(DIGEST)

    path.chmod(0o600)
    path.write_bytes(b"Weights")
    path.chmod(0o444)

    assert not contents.verify(DIGEST)


def test_a_content_that_others_can_write_to_is_trusted_until_they_do(
    tmp_path: Path, contents: ContentStore
) -> None:
    theirs = tmp_path / "theirs.gguf"
    theirs.write_bytes(CONTENT)
    adopt(contents, theirs)

    assert contents.find(DIGEST) is not None

    theirs.write_bytes(b"Weights")

    assert contents.find(DIGEST) is None


def test_a_good_file_takes_the_place_of_one_that_was_changed(
    tmp_path: Path, contents: ContentStore
) -> None:
    theirs = tmp_path / "theirs.gguf"
    theirs.write_bytes(CONTENT)
    adopt(contents, theirs)
    theirs.write_bytes(b"Weights")

    path = contents.put(fetch(tmp_path, CONTENT))

    assert contents.find(DIGEST) == path
    assert path.read_bytes() == CONTENT
    assert theirs.read_bytes() == b"Weights"


def test_a_writable_file_that_was_not_read_is_not_trusted(contents: ContentStore) -> None:
    path = contents.path(DIGEST)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)

    assert contents.find(DIGEST) is None


def test_only_a_content_without_another_name_is_released(
    tmp_path: Path, contents: ContentStore
) -> None:
    path = contents.put(fetch(tmp_path, b"x" * 8192))
    digest = digest_of(b"x" * 8192)
    (tmp_path / "other").hardlink_to(path)

    assert contents.release(digest) == 0
    assert path.exists()

    (tmp_path / "other").unlink()

    assert contents.release(digest) == 8192
    assert not path.exists()
    assert contents.release(digest) == 0


def test_files_that_are_not_ours_are_no_contents(tmp_path: Path, contents: ContentStore) -> None:
    contents.put(fetch(tmp_path, CONTENT))
    (tmp_path / "cas/sha256/ab").mkdir(exist_ok=True)
    (tmp_path / "cas/sha256/ab/README").write_text("hello")

    assert list(contents.all()) == [DIGEST]
