"""The content of a blob to upload: from memory and from files, read in blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ramalama.errors import ModelPushError
from ramalama.models.formats.model_files import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = 1024 * 1024


class ContentInterrupted(ModelPushError):
    """The source of the bytes failed temporarily.

    This is a separate class because httpcore drops the cause of an exception in a request's body.
    """


class BlobContent(Protocol):
    """Bytes that can be read several times."""

    @property
    def size(self) -> int:
        """The size in bytes, known without reading."""
        ...

    def blocks(self, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from *first* (included) to *end* (excluded; None: the size).

        Raises:
            ModelPushError: the bytes cannot be read completely.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """A whole file, whose size was *size* bytes before."""

    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Content:
    """Parts that follow each other; they can be read several times."""

    parts: tuple[bytes | FilePart, ...]

    @property
    def size(self) -> int:
        """The size in bytes, known without reading."""
        return sum(map(_size, self.parts))

    def blocks(self, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from *first* (included) to *end* (excluded; None: the size).

        Raises:
            ModelPushError: a file cannot be read, or is shorter than before.
        """
        end = self.size if end is None else end
        position = 0
        for part in self.parts:
            start, stop = max(first - position, 0), min(end - position, _size(part))
            if start < stop:
                yield from _blocks(part, start, stop)
            position += _size(part)

    def digest(self) -> Digest:
        """Read everything and return its digest, at about a gigabyte a second."""
        import hashlib  # noqa: PLC0415 (not needed for files whose digests are known)

        found = hashlib.sha256()
        for block in self.blocks():
            found.update(block)
        return Digest(found.hexdigest())


def _size(part: bytes | FilePart) -> int:
    return part.size if isinstance(part, FilePart) else len(part)


def _blocks(part: bytes | FilePart, start: int, stop: int) -> Iterator[bytes]:
    if not isinstance(part, FilePart):
        yield part[start:stop]
        return
    try:
        with part.path.open("rb") as file:
            file.seek(start)
            while start < stop and (block := file.read(min(_BLOCK, stop - start))):
                yield block
                start += len(block)
    except OSError as exc:
        msg = f"{part.path} cannot be read: {exc.strerror}"
        raise ModelPushError(msg) from exc
    if start < stop:
        msg = f"{part.path} has become shorter meanwhile"
        raise ModelPushError(msg)
