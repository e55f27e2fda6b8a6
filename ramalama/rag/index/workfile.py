"""What a build has done so far, in a file beside the index.

After an interruption, even by ``kill -9``, the next build with the same settings goes on with it.
Each batch of vectors is one transaction. A vector is found by the text that it stands for, so the
chunks of a document whose embedding was interrupted are not embedded again either.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from ramalama.rag.index.contents import (
    StoredChunk,
    StoredDocument,
    read_chunk,
    read_pages,
    write_pages,
)
from ramalama.rag.index.schema import HEADINGS_SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from ramalama.rag.values import Chunk

_STATEMENTS = (
    "CREATE TABLE settings(text TEXT NOT NULL)",
    (
        "CREATE TABLE document(uri TEXT PRIMARY KEY, title TEXT NOT NULL, digest TEXT NOT NULL,"
        " pages_without_text TEXT NOT NULL, first INTEGER NOT NULL, chunks INTEGER NOT NULL)"
    ),
    (
        "CREATE TABLE chunk(id INTEGER PRIMARY KEY, page INTEGER, overlap INTEGER NOT NULL,"
        " headings TEXT NOT NULL, text TEXT NOT NULL, key BLOB NOT NULL)"
    ),
    "CREATE TABLE vector(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
)
_PARTS = ("", "-journal")  # SQLite's own name for what it undoes after a crash
_KEYS_AT_ONCE = 500


def key_of(text: str) -> bytes:
    """Return the key of the vector of *text*."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


class WorkFile:
    """The work of a build, in a file that only one process uses."""

    def __init__(self, path: Path, settings: str) -> None:
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        try:
            self._prepare(settings)
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def open(cls, path: Path, settings: str) -> Self:
        """Open the file of an interrupted build; begin a new one if it has other *settings*.

        Raises:
            OSError, sqlite3.Error: it can be neither opened nor created.
        """
        try:
            return cls(path, settings)
        except (sqlite3.DatabaseError, _OtherSettings):
            remove_work(path)
        return cls(path, settings)

    def _prepare(self, settings: str) -> None:
        self._connection.execute("PRAGMA synchronous = NORMAL")
        if not self._connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
            with self._transaction():
                for statement in _STATEMENTS:
                    self._connection.execute(statement)
                self._connection.execute("INSERT INTO settings VALUES (?)", (settings,))
        if self._connection.execute("SELECT text FROM settings").fetchall() != [(settings,)]:
            raise _OtherSettings

    def documents(self) -> Mapping[str, str]:
        """Return the digest of each document that is complete, by its URI."""
        return dict(self._connection.execute("SELECT uri, digest FROM document").fetchall())

    def vectors(self, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return those of the vectors that are known."""
        found: dict[bytes, bytes] = {}
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, value FROM vector WHERE key IN ({marks})"  # noqa: S608 (marks)
            found.update(self._connection.execute(query, some))
        return found

    def add_vectors(self, vectors: Mapping[bytes, bytes]) -> None:
        """Keep vectors, and write them to the disk."""
        with self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO vector VALUES (?, ?)", vectors.items()
            )

    def add_documents(
        self, documents: Sequence[tuple[StoredDocument, Sequence[tuple[Chunk, bytes]]]]
    ) -> None:
        """Keep documents with their chunks and the keys of their vectors."""
        with self._transaction():
            for document, chunks in documents:
                self._add(document, chunks)

    def _add(self, document: StoredDocument, chunks: Sequence[tuple[Chunk, bytes]]) -> None:
        row = self._connection.execute("SELECT max(id) FROM chunk").fetchone()
        first = int(row[0] or 0) + 1
        self._connection.execute(
            "INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?, ?)",
            (
                *(document.uri, document.title, document.digest),
                *(write_pages(document.pages_without_text), first, len(chunks)),
            ),
        )
        self._connection.executemany(
            "INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?)",
            (
                (
                    *(number, chunk.page, chunk.overlap),
                    *(HEADINGS_SEPARATOR.join(chunk.headings), chunk.text, key),
                )
                for number, (chunk, key) in enumerate(chunks, first)
            ),
        )

    def document(self, uri: str) -> StoredDocument:
        """Return the document *uri*, which is complete."""
        title, digest, pages, chunks = self._connection.execute(
            "SELECT title, digest, pages_without_text, chunks FROM document WHERE uri = ?", (uri,)
        ).fetchone()
        return StoredDocument(
            uri=uri,
            title=title,
            digest=digest,
            pages_without_text=read_pages(pages),
            chunks=chunks,
        )

    def chunks(self, uri: str) -> Iterator[StoredChunk]:
        """Yield the chunks of the document *uri* in their order."""
        rows = self._connection.execute(
            "SELECT page, overlap, headings, text, value"
            " FROM document JOIN chunk ON chunk.id >= first AND chunk.id < first + chunks"
            " LEFT JOIN vector ON vector.key = chunk.key WHERE uri = ? ORDER BY chunk.id",
            (uri,),
        )
        for page, overlap, headings, text, vector in rows:
            yield StoredChunk(chunk=read_chunk(page, overlap, headings, text), vector=vector)

    def close(self) -> None:
        """Close the file; the next build goes on with it."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


class _OtherSettings(Exception):
    """The file is that of a build with other settings."""


def remove_work(path: Path) -> None:
    """Remove a work file, which no process uses."""
    for part in _PARTS:
        path.with_name(path.name + part).unlink(missing_ok=True)
