"""Write files that only their owner can read, from the moment they are created."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ramalama_values import directories

_FILE_MODE = 0o600


def replace_file(path: Path, content: bytes) -> None:
    """Replace the file at *path* with *content* atomically.

    If *path* is a symbolic link, its target is replaced, in the target's own directory.
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
    """Create *directory* and its missing parents, accessible only by their owner."""
    directories.make_directories(directory, mode=directories.PRIVATE)
