"""Change a directory atomically: after a kill, a change is either complete or absent.

Everything is created under a unique name in a scratch directory of the same file system, and then
renamed. The garbage collector removes what a killed process leaves there.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ramalama.models.store.unlink import remove_tree, unlink

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

# Another file system, one without links (exFAT), another user's file, or too many links.
NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS})


@contextmanager
def scratch_path(scratch: Path) -> Generator[Path]:
    """Yield a new path in *scratch*; if it still exists in the end, it is removed."""
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / f"{os.getpid()}-{os.urandom(6).hex()}"
    try:
        yield path
    finally:
        unlink(path)
        remove_tree(path)


def write_whole(path: Path, content: bytes, *, scratch: Path) -> None:
    """Write *content* to *path* durably and atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch_path(scratch) as new:
        with new.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    sync_directory(path.parent)


def link(source: Path, target: Path, *, scratch: Path) -> None:
    """Make *target* another name of the file *source*; an existing file of that name is replaced.

    It is a hard link, which can be mounted by itself, or a symbolic link if hard links are
    impossible.
    """
    if is_linked(source, target):
        return
    with scratch_path(scratch) as new:
        try:
            new.hardlink_to(source)
        except OSError as exc:
            if exc.errno not in NO_LINK:
                raise
            new.symlink_to(source)
        new.replace(target)


def is_linked(source: Path, target: Path) -> bool:
    """Return whether *target* is a link to *source*, as `link` makes it."""
    try:
        status = target.lstat()
        if stat.S_ISLNK(status.st_mode) and target.readlink() == source:
            return True
        return os.path.samestat(status, source.lstat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def sync_directory(directory: Path) -> None:
    """Make sure that the names in *directory* survive a power failure."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
