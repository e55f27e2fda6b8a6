"""Remove a directory that a hostile program has filled.

`shutil.rmtree` recurses, so that a deep tree ends it; it also stops at the first error. Here, what
is deeper than two levels is first moved up, so neither the stack nor the number of open files
depends on the tree.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ALL = 0o700
_NOT_EMPTY = frozenset({errno.ENOTEMPTY, errno.EEXIST})


@frozen()
class Leftover:
    """What is left of a directory, and why; *reason* is None if only the time was over."""

    reason: str | None


def remove_tree(path: Path, *, seconds: float) -> Leftover | None:
    """Remove the directory *path* and all in it, for at most *seconds*; None if nothing is left.

    No link is followed, *path* itself included. Directories that deny access are made accessible.
    What cannot be removed is passed over; this function raises no OSError. Several processes may
    remove the same directory at once.
    """
    try:
        with _opened(path.parent) as parent:
            return _Removal(parent, path.name, until=time.monotonic() + seconds).run()
    except FileNotFoundError:
        return None
    except OSError as exc:
        return Leftover(reason=exc.strerror)


class _Removal:
    def __init__(self, parent: int, name: str, *, until: float) -> None:
        self._parent = parent
        self._name = name
        self._until = until
        self._stuck: set[str] = set()
        self._reason: str | None = None

    def run(self) -> Leftover | None:
        with _opened(self._name, self._parent) as top:
            while names := _names(top) - self._stuck:
                for name in names:
                    self._remove(name, top)
                    if time.monotonic() >= self._until:
                        return Leftover(reason=None)
        if self._stuck:
            return Leftover(reason=self._reason)
        try:
            os.rmdir(self._name, dir_fd=self._parent)
        except OSError as exc:
            if exc.errno in _NOT_EMPTY:  # another process has moved something up meanwhile
                return Leftover(reason=None)
            raise
        return None

    def _remove(self, name: str, top: int) -> None:
        try:
            if not _unlink(name, top):
                self._empty(name, top)
                os.rmdir(name, dir_fd=top)
        except FileNotFoundError:  # another process was faster
            pass
        except OSError as exc:
            self._stuck.add(name)
            self._note(exc)

    def _empty(self, name: str, top: int) -> None:
        """Remove the files in the directory *name*, and move its directories up."""
        with _opened(name, top) as directory:
            for each in _names(directory):
                try:
                    if not _unlink(each, directory):
                        _move(each, directory, top)
                except FileNotFoundError:
                    pass
                except OSError as exc:
                    self._note(exc)
                if time.monotonic() >= self._until:
                    return

    def _note(self, exc: OSError) -> None:
        self._reason = self._reason or exc.strerror


def _names(directory: int) -> set[str]:
    return set(os.listdir(directory))


def _unlink(name: str, parent: int) -> bool:
    """Remove a file or an empty directory; return False if it is a directory that is not empty."""
    if stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
        with suppress(OSError):
            os.rmdir(name, dir_fd=parent)
            return True
        return False
    os.unlink(name, dir_fd=parent)
    return True


def _move(name: str, parent: int, top: int) -> None:
    target = os.urandom(8).hex()
    try:
        os.rename(name, target, src_dir_fd=parent, dst_dir_fd=top)
    except PermissionError:  # to move a directory, one must be able to write to it
        _make_accessible(name, parent)
        os.rename(name, target, src_dir_fd=parent, dst_dir_fd=top)


@contextmanager
def _opened(name: str | Path, parent: int | None = None) -> Generator[int]:
    """Open a directory, and make it accessible if it is not."""
    try:
        handle = os.open(name, _DIRECTORY, dir_fd=parent)
    except PermissionError:
        if parent is None:
            raise
        _make_accessible(name, parent)
        handle = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        if parent is not None:
            with suppress(OSError):
                os.fchmod(handle, _ALL)
        yield handle
    finally:
        os.close(handle)


def _make_accessible(name: str | Path, parent: int) -> None:
    if not hasattr(os, "O_PATH"):  # macOS, which can do it without following links
        os.chmod(name, _ALL, dir_fd=parent, follow_symlinks=False)
        return
    handle = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{handle}", _ALL)  # noqa: PTH101 (no path)
    finally:
        os.close(handle)
