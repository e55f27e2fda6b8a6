"""Lock between processes with flock(2), on a lock file or on a directory.

The kernel releases a lock when the process that holds it dies. Some network file systems have no
locks. `locked` works without them: it saves duplicate work and keeps messages in order, but
published files are verified, and renamed into place, anyway. `locked_directory` protects files that
are changed in place; without locks it raises OSError.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ramalama_values.directories import READABLE, make_directories

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator
    from pathlib import Path

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_DEFAULT_PERMISSIONS = 0o644  # the umask applies
_PAUSE = 0.05  # seconds
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


class InUse(Exception):
    """Another process or thread holds the lock."""


class LockCancelled(Exception):
    """The wait for the lock was cancelled."""


def refuse_to_wait() -> None:
    """Raise InUse: the *on_wait* of a caller that does not want to wait.

    Raises:
        InUse: always.
    """
    raise InUse


def _nothing() -> None:
    """Ignore that the lock is held by another process."""


@contextmanager
def locked(
    path: Path,
    *,
    shared: bool = False,
    on_wait: Callable[[], None] = _nothing,
    cancel: threading.Event | None = None,
    permissions: int = _DEFAULT_PERMISSIONS,
) -> Generator[bool]:
    """Hold the lock at *path* for the block; yield whether another process held it before.

    If the lock is held, *on_wait* is called once, and the wait takes as long as needed. Ctrl-C ends
    it, and so does *cancel* once another thread sets it. The file is created with *permissions* if
    it does not exist; the holder of an exclusive lock may remove it. A shared lock only needs to
    read the file. If the directory is not writable, no other user writes there either, and the
    block runs without a lock.

    Raises:
        LockCancelled: *cancel* was set.
        OSError: the file cannot be created or read.
    """
    mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    waited = False

    def lock(handle: int) -> None:
        nonlocal waited
        if _lock_at_once(handle, mode):
            return
        if not waited:
            on_wait()
        waited = True
        _wait_for_lock(handle, mode, cancel)

    with _holding(path, partial(_open_shared if shared else _open_alone, path, permissions), lock):
        yield waited


@contextmanager
def locked_directory(path: Path) -> Generator[None]:
    """Hold the lock on the directory *path* during the block; no lock file is created.

    Raises:
        FileNotFoundError: the directory does not exist, or the previous holder has removed it.
        OSError: *path* is not a directory, cannot be opened, or its file system has no locks.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | _FLAGS
    with _holding(path, partial(os.open, path, flags), _lock_directory):
        yield


def _lock_directory(handle: int) -> None:
    fcntl.flock(handle, fcntl.LOCK_EX)


@contextmanager
def _holding(
    path: Path, open_path: Callable[[], int | None], lock: Callable[[int], None]
) -> Generator[None]:
    """Hold the lock on the file at *path*; hold no lock if *open_path* returns None."""
    while (handle := open_path()) is not None:
        try:
            lock(handle)
            if not _is_at(path, handle):
                continue  # the previous holder has removed the file; another may exist by now
            yield
        finally:
            os.close(handle)
        return
    yield


def _open_alone(path: Path, permissions: int) -> int:
    make_directories(path.parent, mode=READABLE)
    return os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, permissions)


def _open_shared(path: Path, permissions: int) -> int | None:
    """Open the file, or create it; return None if it does not exist and may not be created."""
    try:
        return os.open(path, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        try:
            return _open_alone(path, permissions)
        except OSError as exc:
            if exc.errno not in _READ_ONLY:
                raise
            return None


def _lock_at_once(handle: int, mode: int) -> bool:
    """Lock without waiting; return True if that worked, or if the file system has no locks."""
    try:
        fcntl.flock(handle, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as exc:
        if exc.errno not in _NO_LOCKS:
            raise
    return True


def _wait_for_lock(handle: int, mode: int, cancel: threading.Event | None) -> None:
    if cancel is None:
        fcntl.flock(handle, mode)
        return
    # No system call waits both for a lock and for another thread's Event.
    while not _lock_at_once(handle, mode):
        if cancel.wait(_PAUSE):
            raise LockCancelled


def _is_at(path: Path, handle: int) -> bool:
    """Return whether the open file is still the one at *path*, which other processes lock."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except FileNotFoundError:
        return False
