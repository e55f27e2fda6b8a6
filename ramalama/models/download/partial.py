"""The files of a blob that is not complete yet.

KEY.data   its bytes, each at its place; the space for all of them is reserved
KEY.json   the journal, which lists the bytes that exist; see `ramalama.models.download.journal`
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ramalama.errors import StoreError
from ramalama.models.download import journal
from ramalama.models.download.journal import Journal
from ramalama.units import human_size
from ramalama_values.directories import create_file

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


_MODE = 0o644  # less the umask


class Partial:
    """A partial file, open for reading and writing; its owner must hold the blob's lock.

    Every method may raise OSError: the disk is full, or fails.
    """

    def __init__(self, directory: Path, key: str) -> None:
        self.path = directory / f"{key}.data"
        self._journal = directory / f"{key}.json"
        self._handle = self._open()
        self._lent = False

    def find_journal(self) -> Journal | None:
        """Return the journal of an earlier attempt; None if there is none that can be trusted."""
        try:
            with self._journal.open("rb") as file:
                found = Journal.parse(file.read(journal.LARGEST))
        except (FileNotFoundError, ValueError):
            return None
        status = os.fstat(self._handle)
        # If the file has a second name, its bytes are published already and must not change.
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            return None
        end = found.spans[-1].end if found.spans else 0
        return found if status.st_size >= end else None

    def clear(self) -> None:
        """Begin with an empty file; the old file is only unlinked, never changed."""
        self.remove()
        self.close()
        self._handle = self._open()
        self._lent = False

    def reserve(self, size: int) -> None:
        """Make sure that there is space for *size* bytes.

        Raises:
            StoreError: there is not enough space.
        """
        require_space(self.path.parent, size, there=_allocated(os.fstat(self._handle)))
        preallocate(self._handle, size)

    def write(self, content: memoryview, offset: int) -> None:
        """Write *content* at *offset*; safe for several threads."""
        while content:
            count = os.pwrite(self._handle, content, offset)
            content = content[count:]
            offset += count

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Read bytes that were written before, as many as fit; return their number."""
        count = os.preadv(self._handle, [buffer], offset)
        if not count:
            raise OSError(errno.EIO, "another process has truncated the file")
        return count

    def sync(self) -> None:
        """Wait until what was written is on the disk."""
        os.fdatasync(self._handle)

    def write_journal(self, found: Journal) -> None:
        """Write the journal durably; it may only list bytes that are on the disk already."""
        new = self._journal.with_suffix(".json.new")
        with create_file(new, replace=True) as file:
            file.write(found.format())
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._journal)
        _sync_directory(self._journal.parent)

    def trim(self, size: int) -> None:
        """Free the disk space beyond *size* bytes."""
        os.ftruncate(self._handle, size)

    def remove(self) -> None:
        """Remove the files of the download; the data file stays open."""
        # Remove the journal first and durably: it must never be found beside other bytes.
        if self._journal.exists():
            self._journal.unlink(missing_ok=True)
            _sync_directory(self._journal.parent)
        self.path.unlink(missing_ok=True)

    def lend(self) -> None:
        """Keep the file open forever, since a thread that could not be ended may still use it."""
        self._lent = True

    def close(self) -> None:
        """Close the file."""
        if not self._lent:
            os.close(self._handle)

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)


def allocated(directory: Path, key: str) -> int:
    """Return how many bytes a partial file takes on the disk; 0 if there is none."""
    try:
        return _allocated((directory / f"{key}.data").stat())
    except FileNotFoundError:
        return 0


def _allocated(status: os.stat_result) -> int:
    return status.st_blocks * 512  # stat(2): always 512, whatever the file system's blocks are


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_RESERVE = 0.01  # of the download's size, for the file system's own data
_PROBE = 64 * 1024
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def require_space(directory: Path, size: int, *, there: int = 0) -> None:
    """Make sure that *size* bytes fit below *directory*, where *there* of them exist already.

    Raises:
        StoreError: there is not enough space; the message says how much is missing, and where.
    """
    status = os.statvfs(directory)
    free = status.f_bavail * status.f_frsize
    missing = size + int(size * _RESERVE) - there - free
    if missing > 0:
        msg = (
            f"{human_size(size)} do not fit into {directory}: {human_size(missing)} are missing; "
            "remove a model (`ramalama rm`) or leftovers (`ramalama gc`), or choose another disk "
            "(`--store`)"
        )
        raise StoreError(msg)


def preallocate(handle: int, size: int) -> None:
    """Make a file *size* bytes long and reserve them on the disk, if the file system supports it.

    If it does not, glibc writes to every block, which would take as long as the download;
    posix_fallocate(3). So the last bytes are reserved first: if they then count as data, glibc has
    written them. macOS has no such call, and does without.
    """
    os.truncate(handle, size)
    if size == 0 or not hasattr(os, "posix_fallocate"):
        return
    probe = max(0, size - _PROBE)
    try:
        os.posix_fallocate(handle, probe, size - probe)
        os.lseek(handle, probe, os.SEEK_DATA)
    except OSError as exc:
        if exc.errno == errno.ENXIO:
            os.posix_fallocate(handle, 0, size)
        elif exc.errno in _FULL:
            raise


@contextmanager
def disk_errors(name: str, directory: Path, *, kept: bool = False) -> Generator[None]:
    """Turn a disk error during the download of *name* into a StoreError.

    *kept* tells whether the next pull can continue with what was downloaded.

    Raises:
        StoreError: the disk is full, or fails.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno in _FULL:
            msg = f"there is no space left in {directory} for {name}"
        else:
            msg = f"{directory} cannot be used: {exc.strerror or exc}"
        rest = "the downloaded part is kept, and the next pull continues"
        raise StoreError(msg, hint=rest if kept else None) from exc
