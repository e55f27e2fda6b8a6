"""Search caches that keep a hub's files under their names, which do not identify the content.

They are searched only for files whose digest is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.models.reference.names import HubName
from ramalama.models.store.caches.base import candidate

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.reference.reference import Scheme
    from ramalama.models.store.caches.base import WantedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCache:
    """Directories of files of the hub *scheme*.

    Attributes:
        shapes: patterns of `pathlib`, relative to a directory, with ``{org}``, ``{repo}``,
            ``{file}`` and, as the program may write them, ``{dotless}`` (a repository without
            dots) and ``{flat}`` (a path in one name).
    """

    name: str
    scheme: Scheme
    directories: tuple[Path, ...]
    shapes: tuple[str, ...]

    def find(self, wanted: WantedFile) -> Path | None:
        """Return a file of the wanted name and size; None if there is none."""
        if wanted.digest is None or wanted.reference.scheme is not self.scheme:
            return None
        org, repo = HubName.parse(wanted.reference.location).repository.split("/")
        words = {"org": org, "repo": repo, "file": _literal(wanted.name)}
        words |= {"dotless": repo.replace(".", "___"), "flat": words["file"].replace("/", "_")}
        patterns = tuple(shape.format_map(words) for shape in self.shapes)
        found = (
            candidate(path, wanted)
            for directory in self.directories
            for pattern in patterns
            for path in directory.glob(pattern)
        )
        return next(filter(None, found), None)


def _literal(name: str) -> str:
    """Return *name* as a pattern that matches nothing else."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
