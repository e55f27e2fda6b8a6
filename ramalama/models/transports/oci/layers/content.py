"""The bytes of a blob that is sent: in memory, in files, or a mixture, but never all in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ramalama.errors import ModelPushError
from ramalama.models.formats.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = 1024 * 1024


class ContentInterrupted(ModelPushError):
    """Bytes have stopped coming from where they are; in a moment they may come again.

    A class of its own, since httpcore takes the cause off what the body of a request raises.
    """


class BlobContent(Protocol):
    """Bytes that can be had as often as one likes."""

    @property
    def size(self) -> int:
        """In bytes; known without reading anything."""
        ...

    def blocks(self, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from *first* to before *end*, which is the size if it is None.

        Raises:
            ModelPushError: they cannot be had, or not all of them.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """All of a file, which had *size* bytes when it was looked at."""

    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Content:
    """Parts that follow each other without a gap; it can be read as often as one likes."""

    parts: tuple[bytes | FilePart, ...]

    @property
    def size(self) -> int:
        """In bytes; known without reading anything."""
        return sum(map(_size, self.parts))

    def blocks(self, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from *first* to before *end*, which is the size if it is None.

        Raises:
            ModelPushError: a file cannot be read, or is shorter than it was.
        """
        end = self.size if end is None else end
        position = 0
        for part in self.parts:
            start, stop = max(first - position, 0), min(end - position, _size(part))
            if start < stop:
                yield from _blocks(part, start, stop)
            position += _size(part)

    def digest(self) -> Digest:
        """Read everything, and compute its digest; at about a gigabyte a second."""
        import hashlib  # noqa: PLC0415 (who sends blobs as they are has their digests)

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
        msg = f"{part.path} has become shorter since it was looked at"
        raise ModelPushError(msg)
