"""What another program's directory of models is to us: a place to look before we download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.formats.digest import Digest
    from ramalama.models.reference.reference import ModelRef


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFile:
    """A file that would have to be fetched.

    Attributes:
        reference: of its model.
        name: within the model, with "/".
        digest: of its content; None where nobody announces it.
        size: in bytes; None where nobody tells.
        revision: the commit that its model is at, where the source has commits.
    """

    reference: ModelRef
    name: str
    digest: Digest | None = None
    size: int | None = None
    revision: str | None = None


class Cache(Protocol):
    """Finds a file that should have the wanted content, and reads none of it.

    Whoever wants it hashes it before it is believed, and only then takes it over; without a digest
    to compare, a cache answers only where its own layout pins the content. What is missing, or may
    not be read, is not found.
    """

    @property
    def name(self) -> str:
        """Whose cache it is, for people."""
        ...

    def find(self, wanted: WantedFile) -> Path | None:
        """Return the path of a candidate; None if there is none."""
        ...


def candidate(path: Path, wanted: WantedFile) -> Path | None:
    """Return *path* if it is a file of the wanted size, or leads to one."""
    try:
        status = path.stat()
        return path if path.is_file() and wanted.size in (None, status.st_size) else None
    except OSError:
        return None
