"""Read small files of untrusted content, with a limit on their size."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ramalama.errors import StoreError
from ramalama_values.json import parse_json

if TYPE_CHECKING:
    from pathlib import Path

_USUAL = 16 * 1024  # bytes
_AT_ONCE = 1024 * 1024


def read_bytes(path: Path | str, *, limit: int) -> bytes:
    """Return the content of the file *path*.

    Raises:
        StoreError: the file is longer than *limit* bytes.
        OSError: the file cannot be read.
    """
    # Without a file object: it takes longer to create one than to read a small file.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        wanted = min(_USUAL, limit + 1)
        content = piece = os.read(handle, wanted)
        while len(piece) == wanted and len(content) <= limit:
            wanted = min(_AT_ONCE, limit + 1 - len(content))
            piece = os.read(handle, wanted)
            content += piece
    finally:
        os.close(handle)
    if len(content) > limit:
        msg = f"{path} is longer than {limit} bytes"
        raise StoreError(msg)
    return content


def read_json(path: Path | str, *, limit: int) -> object:
    """Return the JSON value in the file *path*.

    Raises:
        StoreError: the file is not valid JSON, or is longer than *limit* bytes.
        OSError: the file cannot be read.
    """
    content = read_bytes(path, limit=limit)
    try:
        return parse_json(content)
    except ValueError as exc:
        msg = f"{path} {exc}"
        raise StoreError(msg) from None
