"""Combine layers into the files of an image; OCI image specification, layer.md.

In a layer, a file ``.wh.NAME`` removes NAME, and ``.wh..wh..opq`` removes the whole directory, but
only files of lower layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_MOST_LINKS = 40  # in a row; the limit of Linux

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link; *target* is a path like those of files."""

    target: str


class Overlay(Generic[T]):
    """The files of an image by path: relative, with "/", as `clean_path` returns them."""

    def __init__(self) -> None:
        self._below: dict[str, T | Link] = {}
        self._layer: dict[str, T | Link] = {}

    def begin_layer(self) -> None:
        """Begin a new layer above the existing ones."""
        self._below |= self._layer
        self._layer = {}

    def add(self, path: str, entry: T | Link) -> None:
        """Add a file or a link; it replaces whatever has this path."""
        self._remove_below(path)
        self._layer[path] = entry

    def add_directory(self, path: str) -> None:
        """Add a directory; it replaces a file, but keeps the files in the directory."""
        self._below.pop(path, None)
        self._layer.pop(path, None)

    def white_out(self, path: str) -> None:
        """Apply the whiteout at *path*."""
        directory, _, name = path.rpartition("/")
        if name == _OPAQUE:
            self._remove_below(directory)
            return
        hidden = name.removeprefix(_WHITEOUT)
        hidden = f"{directory}/{hidden}" if directory else hidden
        self._below.pop(hidden, None)
        self._remove_below(hidden)

    def get(self, path: str) -> T | Link | None:
        """Return the entry at *path*; None if there is none."""
        return self._layer.get(path, self._below.get(path))

    def files(self) -> Mapping[str, T]:
        """Return all files by path; a link is replaced by its target, or omitted if broken."""
        paths = sorted({*self._below, *self._layer})
        found = ((path, self._follow(path)) for path in paths)
        return {path: file for path, file in found if file is not None}

    def is_link(self, path: str) -> bool:
        """Return whether *path* is a symbolic link."""
        return isinstance(self.get(path), Link)

    def _follow(self, path: str) -> T | None:
        entry = self.get(path)
        for _ in range(_MOST_LINKS):
            if not isinstance(entry, Link):
                return entry
            entry = self.get(entry.target)
        return None

    def _remove_below(self, directory: str) -> None:
        start = f"{directory}/" if directory else ""
        for path in [path for path in self._below if path.startswith(start)]:
            del self._below[path]


def is_whiteout(path: str) -> bool:
    """Return whether *path* is a whiteout, which removes a file, and not a file."""
    return path.rpartition("/")[2].startswith(_WHITEOUT)


def clean_path(text: str, *, base: str = "") -> str | None:
    """Return *text* as a normalized path, relative to *base*; None if it leads outside.

    "/" is the root of the archive.
    """
    parts: list[str] = [] if text.startswith("/") else [part for part in base.split("/") if part]
    for part in text.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
