"""Create directories that no other user may write to, whatever the umask is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE = 0o700
READABLE = 0o755


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
