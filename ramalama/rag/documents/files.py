"""Open a file below a directory without leaving the directory, and read it within bounds."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ramalama.rag.documents.limits import LARGEST_FILE, LARGEST_PDF, Unreadable, too_large

if TYPE_CHECKING:
    from collections.abc import Sequence

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_PDF = b"%PDF-"
_PIECE = 1024 * 1024


def read_file(root: str, below: Sequence[str] = ()) -> bytes:
    """Return the content of the file at *root*, or of the one at the path *below* the directory.

    A link is followed only if *root* itself is one. Pipes and devices are not waited for.

    Raises:
        Unreadable: it is no regular file, too large, or cannot be read.
    """
    try:
        handle = _open(root, below)
        try:
            return _read(handle)
        finally:
            os.close(handle)
    except OSError as exc:
        msg = f"cannot be read ({exc.strerror})"
        raise Unreadable(msg, may_pass=True) from exc


def _open(root: str, below: Sequence[str]) -> int:
    handle = os.open(root, _FLAGS)
    for number, name in enumerate(below, 1):
        flags = _FLAGS | os.O_NOFOLLOW | (os.O_DIRECTORY if number < len(below) else 0)
        try:
            inner = os.open(name, flags, dir_fd=handle)
        finally:
            os.close(handle)
        handle = inner
    return handle


def _read(handle: int) -> bytes:
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        msg = "is not a regular file"
        raise Unreadable(msg)
    start = os.read(handle, _PIECE)
    limit = LARGEST_PDF if start.startswith(_PDF) else LARGEST_FILE
    if status.st_size > limit:
        raise too_large(limit)
    content = bytearray(start)
    while piece := os.read(handle, _PIECE):
        content += piece
        if len(content) > limit:  # it grows while it is read
            raise too_large(limit)
    return bytes(content)
