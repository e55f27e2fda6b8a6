"""Read all that an index has, to show it or to make a new one of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ramalama.rag.index.contents import (
    Contents,
    StoredChunk,
    StoredDocument,
    ensure_in_file,
    read_vector,
)
from ramalama.rag.index.guard import Guard, find_index
from ramalama.rag.index.meta import read_meta

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TIME = 60.0  # seconds
_MOST_PROBES = 64


class Archive:
    """All that an index has. The caller must close it.

    Every method raises IndexInvalid if the file is damaged.

    Attributes:
        meta: what the index says of itself.
        size: of the file, in bytes.
    """

    def __init__(self, path: Path) -> None:
        file = find_index(path)
        self._guard = Guard(file)
        try:
            self.size = file.stat().st_size
            with self._guard.limited(seconds=_TIME) as connection:
                self.meta = read_meta(connection, file_size=self.size)
                self._contents = Contents(connection)
        except BaseException:
            self.close()
            raise

    def documents(self) -> Sequence[StoredDocument]:
        """Return all documents in the order of their URIs."""
        with self._guard.limited(seconds=_TIME):
            documents = self._contents.documents()
            return list(ensure_in_file(documents, _size, self.size))

    def chunks(self, uri: str) -> Sequence[StoredChunk]:
        """Return the chunks of the document *uri* in their order."""
        with self._guard.limited(seconds=_TIME):
            return list(ensure_in_file(self._contents.chunks(uri), _size, self.size))

    def probes(self) -> Sequence[bytes]:
        """Return vectors of questions, see `ramalama.rag.index.probes`."""
        with self._guard.limited(seconds=_TIME) as connection:
            rows = connection.execute(
                "SELECT value FROM probe ORDER BY id LIMIT ?", (_MOST_PROBES,)
            )
            return [value for (each,) in rows if (value := read_vector(each)) is not None]

    def close(self) -> None:
        """Close the file."""
        self._guard.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _size(stored: StoredDocument | StoredChunk) -> int:
    return stored.size
