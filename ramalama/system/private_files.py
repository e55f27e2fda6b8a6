"""Files that nobody but their owner may read, not even for the moment in which they are made."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700


def replace_file(path: Path, content: bytes) -> None:
    """Put *content* in the place of what *path* is or leads to; a reader sees all or nothing.

    Where *path* is a symbolic link, its target is replaced, in the target's own directory.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        with open(handle, "wb") as file:  # noqa: PTH123 (a descriptor)
            file.write(content)
            file.flush()
            os.fsync(handle)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_directories(directory: Path) -> None:
    """Make *directory*, and those above it that are missing, for their owner alone."""
    for missing in reversed(
        [path for path in (directory, *directory.parents) if not path.exists()]
    ):
        missing.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
