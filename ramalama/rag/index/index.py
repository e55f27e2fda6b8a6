"""An index that is open for reading."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from ramalama.rag.index.contents import Contents, ensure_in_file
from ramalama.rag.index.fusion import fuse
from ramalama.rag.index.guard import Guard, find_index
from ramalama.rag.index.meta import IndexMeta, read_meta
from ramalama.rag.index.passages import passages
from ramalama.rag.index.vectors import (
    VectorScan,
    checked_question,
    size_of_signs,
    vectors_of,
)
from ramalama.rag.index.words import WordSearch
from ramalama.rag.values import IndexInfo

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence
    from pathlib import Path

    from ramalama.rag.index.contents import StoredChunk, StoredDocument
    from ramalama.rag.index.vectors import Neighbour
    from ramalama.rag.values import Passage

_CANDIDATES = 50  # of each kind of search
_SEARCH_TIME = 10.0  # seconds
_LOAD_TIME = 60.0


class Index:
    """An index in a file, open for reading; threads may share it. The caller must close it.

    The file is opened as immutable: a new index takes its place by a rename, and this one goes on
    with the old file.
    """

    def __init__(self, path: Path, guard: Guard, meta: IndexMeta) -> None:
        self._guard = guard
        self._meta = meta
        self._lock = threading.Lock()
        self._scan: VectorScan | None = None
        self._size = path.stat().st_size
        with guard.limited(seconds=_SEARCH_TIME) as connection:
            self._words = WordSearch(connection, meta.chunks)
            connection.execute("PRAGMA query_only = ON")

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the index at *path*, a file or the directory of one.

        Raises:
            IndexNotFound: there is none.
            IndexInvalid: the file is none, or of another version, or it is damaged.
            OSError: it cannot be read.
        """
        file = find_index(path)
        guard = Guard(file)
        try:
            with guard.limited(seconds=_SEARCH_TIME) as connection:
                meta = read_meta(connection, file_size=file.stat().st_size)
            return cls(file, guard, meta)
        except BaseException:
            guard.connection.close()
            raise

    @property
    def info(self) -> IndexInfo:
        """What the index says of itself."""
        meta = self._meta
        return IndexInfo(
            embedder=meta.embedder,
            documents=meta.documents,
            chunks=meta.chunks,
            without_vector=meta.without_vector,
            size=self._size,
        )

    def search(
        self,
        question: str,
        vector: array[float] | None = None,
        *,
        limit: int = 8,
        neighbours: int = 1,
    ) -> list[Passage]:
        """Return the passages that fit *question* best; see `SearchableIndex.search`."""
        with self._lock, self._guard.limited(seconds=_SEARCH_TIME) as connection:
            near = None if vector is None else self._near(vector)
            text = self._words.find(question, _CANDIDATES)
            found = fuse(text, near, self._meta.floor)
            return passages(connection, found, limit=limit, neighbours=neighbours)

    def documents(self) -> Sequence[StoredDocument]:
        """Return all documents in the order of their URIs.

        Raises:
            IndexInvalid: the file is damaged.
        """
        with self._lock, self._guard.limited(seconds=_LOAD_TIME) as connection:
            return list(Contents(connection).documents())

    def chunks(self, uri: str) -> Sequence[StoredChunk]:
        """Return the chunks of the document *uri*, with their vectors.

        Raises:
            IndexInvalid: the file is damaged.
        """
        with self._lock, self._guard.limited(seconds=_LOAD_TIME) as connection:
            return list(Contents(connection).chunks(uri))

    def preload(self) -> None:
        """Read what the first search with a vector needs, which takes 50 ms for 50,000 chunks."""
        if self._meta.embedder is not None:
            with self._lock:
                self._loaded(self._meta.embedder.dimension)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._words.close()
            self._guard.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _near(self, vector: Sequence[float]) -> list[Neighbour] | None:
        """Return the chunks that are nearest to *vector*; None if the index has no vectors."""
        if self._meta.embedder is None:
            return None
        wanted = checked_question(vector, self._meta.embedder.dimension)
        connection = self._guard.connection
        return self._loaded(self._meta.embedder.dimension).nearest(
            wanted, lambda chunks: vectors_of(connection, chunks), _CANDIDATES
        )

    def _loaded(self, dimension: int) -> VectorScan:
        """Return the signs of all vectors, which are read once."""
        if self._scan is None:
            with self._guard.limited(seconds=_LOAD_TIME) as connection:
                rows = connection.execute("SELECT chunks, bits FROM signs ORDER BY part")
                real = ensure_in_file(rows, size_of_signs, self._size)
                self._scan = VectorScan(real, dimension, self._meta.chunks)
        return self._scan
