"""Files of other programs: read before they are believed, and taken over without a copy."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.models.store.caches.adopt import adopt, known_digest
from ramalama.models.store.cas import ContentStore
from tests.unit.ramalama.models.store.filled import digest_of, files_below

if TYPE_CHECKING:
    from collections.abc import Generator

CONTENT = b"weights" * 1000
DIGEST = digest_of(CONTENT)
# The modules are loaded first: another user may not read where they are.
ADOPT_AS_NOBODY = """\
import fcntl, hashlib, os, sys
from pathlib import Path
from ramalama.models.store import digest_index
from ramalama.models.store.caches.adopt import adopt
from ramalama.models.store.cas import ContentStore
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
contents = ContentStore(Path(sys.argv[1]))
print(contents.find(adopt(contents, Path(sys.argv[2]))).readlink())
"""


@pytest.fixture
def contents(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "base")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.gguf"
    path.write_bytes(CONTENT)
    path.chmod(0o640)
    return path


@pytest.fixture
def on_another_disk() -> Generator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        path = Path(directory, "theirs.gguf")
        path.write_bytes(CONTENT)
        yield path


def test_a_file_is_linked_and_stays_what_and_whose_it_is(
    contents: ContentStore, theirs: Path
) -> None:
    assert adopt(contents, theirs) == DIGEST
    assert contents.path(DIGEST).samefile(theirs)
    assert not contents.path(DIGEST).is_symlink()
    assert stat.S_IMODE(theirs.stat().st_mode) == 0o640
    assert contents.find(DIGEST) == contents.path(DIGEST)


def test_a_link_is_followed_to_the_file(
    tmp_path: Path, contents: ContentStore, theirs: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(theirs)

    adopt(contents, link)

    assert contents.path(DIGEST).samefile(theirs)
    assert not contents.path(DIGEST).is_symlink()


def test_a_file_that_is_not_what_its_name_says_is_not_taken(
    contents: ContentStore, theirs: Path
) -> None:
    assert adopt(contents, theirs, expected=digest_of(b"something else")) is None
    assert list(contents.all()) == []
    assert theirs.stat().st_nlink == 1


def test_a_file_is_read_once(contents: ContentStore, theirs: Path) -> None:
    assert known_digest(contents, theirs) is None

    adopt(contents, theirs, expected=digest_of(b"something else"))

    assert known_digest(contents, theirs) == DIGEST
    before = theirs.stat()
    # A change that cannot be noticed, since size and time are the same as before.
    theirs.write_bytes(b"W" + CONTENT[1:])
    os.utime(theirs, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert adopt(contents, theirs) == DIGEST


def test_a_content_that_is_here_already_gets_no_second_inode(
    tmp_path: Path, contents: ContentStore, theirs: Path
) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(CONTENT)
    adopt(contents, theirs)

    assert adopt(contents, other) == DIGEST
    assert contents.path(DIGEST).samefile(theirs)
    assert other.stat().st_nlink == 1


def test_a_file_on_another_disk_is_referred_to(
    contents: ContentStore, on_another_disk: Path
) -> None:
    assert adopt(contents, on_another_disk) == DIGEST

    path = contents.find(DIGEST)

    assert path is not None
    assert path.readlink() == on_another_disk


@pytest.mark.parametrize("happened", ["changed", "removed"])
def test_a_file_that_is_referred_to_is_believed_until_something_happens_to_it(
    contents: ContentStore, on_another_disk: Path, happened: str
) -> None:
    adopt(contents, on_another_disk)
    if happened == "changed":
        on_another_disk.write_bytes(b"other" * 1000)
    else:
        on_another_disk.unlink()

    assert contents.find(DIGEST) is None


def test_a_changed_file_is_adopted_as_what_it_is_now(contents: ContentStore, theirs: Path) -> None:
    adopt(contents, theirs)
    theirs.write_bytes(b"other")

    assert adopt(contents, theirs) == digest_of(b"other")
    assert contents.find(digest_of(b"other")) is not None
    assert contents.find(DIGEST) is None


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo", "dangling", "device"])
def test_only_regular_files_are_taken_and_others_do_not_block(
    tmp_path: Path, contents: ContentStore, kind: str
) -> None:
    path = tmp_path / kind
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "dangling":
            path.symlink_to(tmp_path / "nowhere")
        case "device":
            path = Path("/dev/zero")
        case _:
            pass

    assert adopt(contents, path) is None
    assert known_digest(contents, tmp_path / "missing") is None
    assert files_below(tmp_path / "base") == set()


def test_a_file_that_is_written_to_meanwhile_is_not_taken(
    tmp_path: Path, contents: ContentStore
) -> None:
    """Its end is written as long as its beginning is read; the digest is of neither state."""
    theirs = tmp_path / "theirs.gguf"
    with theirs.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    stop = threading.Event()

    def write() -> None:
        with theirs.open("r+b", buffering=0) as file:
            while not stop.is_set():
                file.seek(0)
                file.write(os.urandom(8))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        digest = adopt(contents, theirs)
    finally:
        stop.set()
        writer.join()

    assert digest is None
    assert list(contents.all()) == []


@pytest.fixture
def somebody_elses() -> Generator[Path]:
    """A file that everybody may read, in a directory where anybody may write."""
    with tempfile.TemporaryDirectory(prefix="adopt-") as directory:
        Path(directory).chmod(0o777)
        path = Path(directory, "sha256-theirs")
        path.write_bytes(CONTENT)
        path.chmod(0o644)
        yield path if os.geteuid() == 0 else Path("/etc/passwd")


def test_a_service_users_file_that_may_not_be_linked_is_referred_to(somebody_elses: Path) -> None:
    """Ollama's service owns its models; fs.protected_hardlinks keeps others from linking them."""
    with tempfile.TemporaryDirectory(prefix="adopt-") as base:
        Path(base).chmod(0o777)
        command = [sys.executable, "-c", ADOPT_AS_NOBODY, base, str(somebody_elses)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)

    assert done.stdout.strip() == str(somebody_elses)
