"""Locks between processes: flock(2) on a file that stays where it is.

They save work and keep messages in order. Nothing is wrong where there are none (some network
file systems): whatever is published was verified, and is renamed into its place.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_EVERYBODYS = 0o666  # less the umask, as for any file


def _nothing() -> None:
    """Tell nobody that we wait."""


@contextmanager
def locked(
    path: Path, *, shared: bool = False, on_wait: Callable[[], None] = _nothing
) -> Generator[bool]:
    """Hold the lock at *path* for the block, which is told whether another had it before us.

    *on_wait* is called once, if another has it now; then we wait as long as it takes, and Ctrl-C
    ends that. The kernel gives the lock back when its holder dies. Whoever holds it alone may
    remove the file. To share it, reading is enough; a directory that we may not even make it in
    has nobody to hide from but its owner, and then there is no lock.

    Raises:
        OSError: the file cannot be made, or not be read.
    """
    mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    waited = False
    while True:
        handle = _open_shared(path) if shared else _open_alone(path)
        if handle is None:
            yield False
            return
        try:
            if not _lock_at_once(handle, mode):
                if not waited:
                    on_wait()
                waited = True
                fcntl.flock(handle, mode)
            if not _is_at(path, handle):
                continue
            yield waited
        finally:
            os.close(handle)
        return


def _open_alone(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _EVERYBODYS)


def _open_shared(path: Path) -> int | None:
    """Open the file, made if need be; None where it is not there and cannot be."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        try:
            return _open_alone(path)
        except OSError as exc:
            if exc.errno not in _READ_ONLY:
                raise
            return None


def _lock_at_once(handle: int, mode: int) -> bool:
    try:
        fcntl.flock(handle, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as exc:
        if exc.errno not in _NO_LOCKS:
            raise
    return True


def _is_at(path: Path, handle: int) -> bool:
    """Tell whether the file we have locked is still the one that others would lock."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
