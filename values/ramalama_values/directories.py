"""Create directories and files that no other user may write to, whatever the umask is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

PRIVATE = 0o700
READABLE = 0o755
_READABLE_FILE = 0o644


def make_directories(directory: Path, *, mode: int) -> None:
    """Create *directory* and its missing parents with *mode*, less the umask.

    If it exists, do nothing. `Path.mkdir` gives missing parents all permissions that the umask
    leaves.

    Raises:
        OSError: one of them cannot be created, or is not a directory.
    """
    try:
        directory.mkdir(mode=mode)
    except FileNotFoundError:
        if directory.parent == directory:
            raise
        make_directories(directory.parent, mode=mode)
        directory.mkdir(mode=mode, exist_ok=True)
    except OSError:
        if not directory.is_dir():
            raise


def create_file(path: Path, *, replace: bool = False) -> BinaryIO:
    """Create a file that other users may read, less the umask, and open it for writing.

    Raises:
        FileExistsError: it exists, and *replace* is False.
        OSError: it cannot be created.
    """
    how = os.O_TRUNC if replace else os.O_EXCL
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how
    return os.fdopen(os.open(path, flags, _READABLE_FILE), "wb")
