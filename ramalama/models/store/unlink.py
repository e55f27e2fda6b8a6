"""Remove files, and count the freed bytes: none if a file has another name."""

from __future__ import annotations

import os
import stat
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

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
