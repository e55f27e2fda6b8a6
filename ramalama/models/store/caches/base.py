"""Caches: other programs' directories of models, which are searched before a download."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ramalama.models.reference.names import HubName
from ramalama.models.reference.scheme import Scheme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ramalama.models.formats.model_files import Digest
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


_COMMIT = r"[0-9a-f]{40}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFaceCache:
    """The cache of Hugging Face's library, which llama.cpp uses, too.

        models--ORG--REPO/blobs/HEX               HEX: SHA-256 of a large file, Git's hash of others
        models--ORG--REPO/snapshots/COMMIT/PATH   a link to the blob

    A commit identifies all files that were downloaded for it.
    """

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
