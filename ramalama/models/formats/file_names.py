r"""Check the names of files within a model, as servers announce them, before they become paths.

name    = segment *("/" segment)      at most 1024 bytes of UTF-8
segment = 1 to 255 bytes; printable, no "\", and neither "." nor ".."
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_NAME = 1024
_LONGEST_SEGMENT = 255  # NAME_MAX of every file system that matters


def checked_name(text: str) -> str:
    """Return *text* if it is a relative path that stays below its directory.

    Raises:
        ModelUnsupported: it is not such a path.
    """
    segments = text.split("/")
    # Printable text has no control character, no NUL and no half of a surrogate pair.
    if "\\" in text or not text.isprintable() or not all(map(_is_segment, segments)):
        msg = f"the model has a file {text[:100]!r}, which is not a valid file name"
        raise ModelUnsupported(msg)
    if len(text.encode()) > _LONGEST_NAME:
        msg = f"the model has a file with a name of over {_LONGEST_NAME} bytes, {text[:100]!r}…"
        raise ModelUnsupported(msg)
    return text


def check_together(names: Iterable[str]) -> None:
    """Make sure that *names* can exist in one directory, even on a disk that ignores letter case.

    Raises:
        ModelUnsupported: two names are the same, or one is a directory of another.
    """
    seen: dict[str, str] = {}
    for name in names:
        folded = _folded(name)
        if folded in seen:
            raise _conflict(name, seen[folded])
        seen[folded] = name
    for folded, name in seen.items():
        parent = folded
        while parent := parent.rpartition("/")[0]:
            if parent in seen:
                raise _conflict(name, seen[parent])


def _conflict(name: str, other: str) -> ModelUnsupported:
    msg = f"the model has the files {other[:100]!r} and {name[:100]!r}, which cannot coexist"
    return ModelUnsupported(msg)


def _is_segment(text: str) -> bool:
    length = len(text) if text.isascii() else len(text.encode())
    return text not in ("", ".", "..") and length <= _LONGEST_SEGMENT


def _folded(name: str) -> str:
    """Return *name* as a file system compares it that ignores letter case and composition."""
    if name.isascii():
        return name.lower()
    import unicodedata  # noqa: PLC0415 (the names of most models are ASCII)

    return unicodedata.normalize("NFD", name).casefold()
