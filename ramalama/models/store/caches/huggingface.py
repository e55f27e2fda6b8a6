"""Search the cache of Hugging Face's library, which llama.cpp uses, too.

models--ORG--REPO/blobs/HEX                 HEX: SHA-256 of a large file, Git's hash of another
models--ORG--REPO/snapshots/COMMIT/PATH     a link to the blob
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.models.reference.names import HubName
from ramalama.models.reference.reference import Scheme
from ramalama.models.store.caches.base import candidate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ramalama.models.store.caches.base import WantedFile

_COMMIT = r"[0-9a-f]{40}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFaceCache:
    """The cache's *directories*; a commit identifies all files downloaded for it."""

    directories: tuple[Path, ...]
    name: str = "Hugging Face"

    def find(self, wanted: WantedFile) -> Path | None:
        """Return a blob of the wanted digest in any repository, or a file of the wanted commit."""
        return next(filter(None, (candidate(path, wanted) for path in self._paths(wanted))), None)

    def _paths(self, wanted: WantedFile) -> Iterator[Path]:
        for directory in self.directories:
            if wanted.digest is not None:
                yield from directory.glob(f"models--*/blobs/{wanted.digest.hex}")
            elif repository := _pinned_repository(wanted):
                yield directory / repository / "snapshots" / f"{wanted.revision}" / wanted.name


def _pinned_repository(wanted: WantedFile) -> str | None:
    """Return the name of the repository's directory; None if there is no commit of Hugging Face."""
    if wanted.reference.scheme is not Scheme.HUGGINGFACE:
        return None
    if re.fullmatch(_COMMIT, wanted.revision or "") is None:
        return None
    repository = HubName.parse(wanted.reference.location).repository
    return f"models--{repository.replace('/', '--')}"
