"""The interface of a cache: another program's directory of models, searched before a download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.formats.digest import Digest
    from ramalama.models.reference.reference import ModelRef


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFile:
    """A file that must be downloaded unless a cache has it.

    Attributes:
        reference: the reference of its model.
        name: within the model, with "/".
        digest: of its content; None if it is not known.
        size: in bytes; None if it is not known.
        revision: the commit of its model, if the source has commits.
    """

    reference: ModelRef
    name: str
    digest: Digest | None = None
    size: int | None = None
    revision: str | None = None


class Cache(Protocol):
    """Finds a file that should have the wanted content, without reading it.

    The caller must hash the file before using it. If no digest is known, a cache may return a file
    only if its layout identifies the content. Files that are missing or cannot be read are not
    found.
    """

    @property
    def name(self) -> str:
        """The name of the program that owns the cache, for messages."""
        ...

    def find(self, wanted: WantedFile) -> Path | None:
        """Return the path of a candidate; None if there is none."""
        ...


def candidate(path: Path, wanted: WantedFile) -> Path | None:
    """Return *path* if it is, or links to, a file of the wanted size; else None."""
    try:
        status = path.stat()
        return path if path.is_file() and wanted.size in (None, status.st_size) else None
    except OSError:
        return None
