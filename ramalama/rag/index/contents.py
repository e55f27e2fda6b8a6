"""Read documents with their chunks and vectors, from an index or from a work file.

In a stranger's file, many rows may share the pages of one long text, so that a small file has more
text than any memory holds. `ensure_in_file` compares what was read with the size of the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ramalama.errors import IndexInvalid
from ramalama.rag.index.schema import (
    HEADINGS_SEPARATOR,
    LARGEST_DIMENSION,
    LEAST_ROW,
    LONGEST_TEXT,
)
from ramalama.rag.values import Chunk
from ramalama_values import frozen

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

_MOST_PAGES = 1_000_000


@frozen()
class StoredDocument:
    """A document of an index.

    Attributes:
        uri, title, digest, pages_without_text: as in `Document`.
        chunks: their number.
    """

    uri: str
    title: str
    digest: str
    pages_without_text: tuple[int, ...] = ()
    chunks: int = 0

    @property
    def size(self) -> int:
        """The number of characters, which takes at least as many bytes of a file."""
        return len(self.uri) + len(self.title) + len(self.digest) + len(self.pages_without_text)


@frozen()
class StoredChunk:
    """A chunk of an index, with its vector as `ramalama.rag.index.vectors.pack` makes it."""

    chunk: Chunk
    vector: bytes | None

    @property
    def size(self) -> int:
        """The number of characters and bytes, which takes at least as many bytes of a file."""
        headings = sum(map(len, self.chunk.headings))
        return len(self.chunk.text) + headings + len(self.vector or b"")


class Contents:
    """The documents of a connection to an index or a work file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def documents(self) -> Iterator[StoredDocument]:
        """Yield all documents in the order of their URIs."""
        rows = self._connection.execute(
            "SELECT uri, title, digest, pages_without_text, chunks FROM document ORDER BY uri"
        )
        for uri, title, digest, pages, chunks in rows:
            yield StoredDocument(
                uri=read_text(uri),
                title=read_text(title),
                digest=read_text(digest),
                pages_without_text=read_pages(pages),
                chunks=int(chunks),
            )

    def chunks(self, uri: str) -> Iterator[StoredChunk]:
        """Yield the chunks of the document *uri* in their order."""
        rows = self._connection.execute(
            "SELECT page, overlap, headings, text, value"
            " FROM document JOIN chunk ON chunk.id >= first AND chunk.id < first + chunks"
            " LEFT JOIN vector ON vector.chunk = chunk.id WHERE uri = ? ORDER BY chunk.id",
            (uri,),
        )
        for page, overlap, headings, text, vector in rows:
            chunk = read_chunk(page, overlap, headings, text)
            yield StoredChunk(chunk=chunk, vector=read_vector(vector))


def ensure_in_file(rows: Iterable[T], size_of: Callable[[T], int], file_size: int) -> Iterator[T]:
    """Yield *rows* as long as all of them fit in a file of *file_size* bytes.

    Raises:
        IndexInvalid: there are more, so the same pages were read again and again.
    """
    left = file_size
    for row in rows:
        left -= size_of(row) + LEAST_ROW
        if left < 0:
            msg = "the index is damaged: it has more text than its file has bytes"
            raise IndexInvalid(msg)
        yield row


def read_chunk(page: object, overlap: object, headings: object, text: object) -> Chunk:
    """Make a chunk of what the index has.

    Raises:
        IndexInvalid: a value has another type, or no sensible size.
    """
    shown, path = read_text(text), read_text(headings)
    if isinstance(page, int | None) and isinstance(overlap, int) and 0 <= overlap <= len(shown):
        split = tuple(path.split(HEADINGS_SEPARATOR)) if path else ()
        return Chunk(text=shown, headings=split, page=page, overlap=overlap)
    msg = "the index is damaged: a chunk has no sensible values"
    raise IndexInvalid(msg)


def read_text(value: object) -> str:
    """Return a text of the index.

    Raises:
        IndexInvalid: it is none, or too long.
    """
    if isinstance(value, str) and len(value) <= LONGEST_TEXT:
        return value
    msg = "the index is damaged: a text is missing"
    raise IndexInvalid(msg)


def write_pages(pages: tuple[int, ...]) -> str:
    """Return a list of pages as the index stores it."""
    return " ".join(map(str, pages))


def read_pages(value: object) -> tuple[int, ...]:
    """Return a list of pages of the index.

    Raises:
        IndexInvalid: it is none.
    """
    pages = tuple(int(page) for page in read_text(value).split())
    if len(pages) > _MOST_PAGES or any(not 0 < page <= _MOST_PAGES for page in pages):
        msg = "the index is damaged: a list of pages makes no sense"
        raise IndexInvalid(msg)
    return pages


def read_vector(value: object) -> bytes | None:
    """Return a vector of the index as it is stored; None if there is none.

    Raises:
        IndexInvalid: it is something else.
    """
    if value is None or (isinstance(value, bytes) and len(value) <= 2 * LARGEST_DIMENSION):
        return value
    msg = "the index is damaged: a vector is none"
    raise IndexInvalid(msg)
