"""The files of a blob that is not complete yet.

KEY.data   its bytes, each at its place; the space for all of them is reserved
KEY.json   the journal, which lists the bytes that exist; see `ramalama.models.download.journal`
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from ramalama.models.download import journal
from ramalama.models.download.disk_space import preallocate, require_space
from ramalama.models.download.journal import Journal, total

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.download.limits import Limits
    from ramalama.models.download.plan import Plan
    from ramalama.models.download.response import ResponseValidator


_MODE = 0o666  # less the umask


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
        with new.open("wb") as file:
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


class Saver:
    """Writes the journal of a transfer, and delays streams that are too far ahead of it."""

    def __init__(
        self, plan: Plan, partial: Partial, terms: ResponseValidator, limits: Limits
    ) -> None:
        self._plan = plan
        self._partial = partial
        self._terms = terms
        self._limits = limits
        self._saved = plan.written

    def run(self) -> None:
        """Save after so many bytes or seconds, until the file is complete.

        Raises:
            Stopped: the transfer has ended; the caller must save for the last time.
        """
        while True:
            self._plan.wait_until(self._is_due, self._limits.save_every)
            if self._plan.complete:
                return
            self.save()

    def save(self) -> None:
        """Write the data to the disk, and then the journal that lists it."""
        spans = self._plan.spans()
        self._partial.sync()
        size = self._plan.size
        if size is not None and self._terms.resumable:
            journal = Journal(
                identity=self._terms.blob.identity,
                size=size,
                validator=self._terms.validator,
                spans=spans,
            )
            self._partial.write_journal(journal)
        self._saved = total(spans)
        self._plan.notify()

    def leave(self) -> None:
        """Save for the last time, or remove the files if the download cannot be continued."""
        spans = self._plan.spans()
        if spans and self._plan.size is not None and self._terms.resumable:
            self.save()
            self._partial.trim(spans[-1].end)
        else:
            self._partial.remove()

    def wait_for_room(self) -> None:
        """Wait until a crash of the machine could not lose more than the limit.

        Raises:
            Stopped: the transfer has ended.
        """
        if not self._has_room():
            self._plan.wait_until(self._has_room)

    def _has_room(self) -> bool:
        return self._plan.written - self._saved < self._limits.unsaved

    def _is_due(self) -> bool:
        behind = self._plan.written - self._saved
        return behind >= self._limits.save_after or self._plan.complete
