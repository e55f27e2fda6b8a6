"""Search caches whose files are named by digest, as Ollama's and Docker Model Runner's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.models.store.caches.base import candidate

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.store.caches.base import WantedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobCache:
    """Directories of blobs, each named by *prefix* and 64 hexadecimal digits."""

    name: str
    directories: tuple[Path, ...]
    prefix: str = ""

    def find(self, wanted: WantedFile) -> Path | None:
        """Return a blob with the wanted digest; None if there is none."""
        if wanted.digest is None:
            return None
        name = f"{self.prefix}{wanted.digest.hex}"
        found = (candidate(directory / name, wanted) for directory in self.directories)
        return next(filter(None, found), None)
