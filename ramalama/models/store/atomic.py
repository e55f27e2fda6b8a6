"""Change a directory atomically: after a kill, a change is either complete or absent.

Everything is created under a unique name in a scratch directory of the same file system, and then
renamed. The garbage collector removes what a killed process leaves there.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import StoreError
from ramalama_values.directories import READABLE, create_file, make_directories

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable


# Another file system, one without links (exFAT), another user's file, or too many links.
NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS})


@contextmanager
def scratch_path(scratch: Path) -> Generator[Path]:
    """Yield a new path in *scratch*; if it still exists in the end, it is removed."""
    make_directories(scratch, mode=READABLE)
    path = scratch / f"{os.getpid()}-{os.urandom(6).hex()}"
    try:
        yield path
    finally:
        unlink(path)
        remove_tree(path)


def write_whole(path: Path, content: bytes, *, scratch: Path) -> None:
    """Write *content* to *path* durably and atomically."""
    make_directories(path.parent, mode=READABLE)
    with scratch_path(scratch) as new:
        with create_file(new) as file:
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


def require_links(base: Path, *, scratch: Path) -> None:
    """Make sure that `link` will work.

    Raises:
        StoreError: the file system of *base* has neither hard links nor symbolic links.
        OSError: the disk cannot be written.
    """
    with scratch_path(scratch) as file, scratch_path(scratch) as name:
        file.touch()
        try:
            link(file, name, scratch=scratch)
        except OSError as exc:
            if exc.errno not in NO_LINK:
                raise
            msg = f"the store {base} is on a file system without links, such as exFAT"
            raise StoreError(msg, hint="choose another directory with --store") from exc


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


_BLOCK = 512  # the unit of st_blocks on every file system; stat(2)


def unlink(path: Path) -> int:
    """Remove a file and return the freed bytes; a missing file or a directory frees nothing."""
    try:
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            return 0
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return status.st_blocks * _BLOCK if status.st_nlink == 1 else 0


def remove_tree(directory: Path) -> int:
    """Remove a directory with its content and return the freed bytes; links are not followed."""
    freed = 0
    for parent, directories, files in os.walk(directory, topdown=False):
        freed += sum(unlink(Path(parent, name)) for name in (*files, *directories))
        with suppress(OSError):  # another process has just put something there
            Path(parent).rmdir()
    return freed


def remove_empty_below(directory: Path) -> None:
    """Remove the empty directories in *directory*, and *directory* itself if it is empty then."""
    for parent, _, _ in os.walk(directory, topdown=False):
        with suppress(OSError):  # not empty
            Path(parent).rmdir()


def remove_empty_above(directory: Path, *, stop: Path) -> None:
    """Remove *directory* and its parents as long as they are empty, but not *stop*."""
    while stop in directory.parents:
        try:
            directory.rmdir()
        except FileNotFoundError:
            pass
        except OSError:  # not empty
            return
        directory = directory.parent


def size_of_last_names(paths: Iterable[Path]) -> int:
    """Return how many bytes would be freed by removing all of *paths*."""
    names: Counter[tuple[int, int]] = Counter()
    freed = 0
    for path in paths:
        status = path.lstat()
        inode = status.st_dev, status.st_ino
        names[inode] += 1
        if names[inode] == status.st_nlink:
            freed += status.st_blocks * _BLOCK
    return freed
