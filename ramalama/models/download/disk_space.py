"""Check that there is enough disk space, and report disk errors."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ramalama.errors import StoreError
from ramalama.units import human_size

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

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
            "remove a model (`ramalama rm`), or choose another disk (`--store`)"
        )
        raise StoreError(msg)


def preallocate(handle: int, size: int) -> None:
    """Make a file *size* bytes long and reserve them on the disk, if the file system supports it.

    If it does not, glibc writes to every block, which would take as long as the download;
    posix_fallocate(3). So the last bytes are reserved first: if they then count as data, glibc has
    written them.
    """
    os.truncate(handle, size)
    if size == 0:
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
def disk_errors(name: str, directory: Path) -> Generator[None]:
    """Turn a disk error during the download of *name* into a StoreError.

    Raises:
        StoreError: the disk is full, or fails.
    """
    try:
        yield
    except OSError as exc:
        kept = f"the downloaded part of {name} is kept, and the next pull continues"
        if exc.errno in _FULL:
            msg = f"there is no space left in {directory}; {kept}"
        else:
            msg = f"{directory} cannot be used: {exc.strerror or exc}; {kept}"
        raise StoreError(msg) from exc
