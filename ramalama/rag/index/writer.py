"""Write an index: a new file, whose bytes follow from what is in it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from itertools import combinations
from typing import TYPE_CHECKING

from ramalama.rag.index.contents import write_pages
from ramalama.rag.index.meta import IndexMeta, meta_rows
from ramalama.rag.index.probes import floor_of
from ramalama.rag.index.schema import (
    APPLICATION_ID,
    FORMAT,
    HEADINGS_SEPARATOR,
    STATEMENTS,
)
from ramalama.rag.index.vectors import VectorScan, cosine, sign_parts, unpack, vectors_of
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ramalama.rag.index.contents import StoredChunk, StoredDocument
    from ramalama.rag.values import EmbedderInfo, OcrInfo

_COMMON = 500  # chunks with a term, from which on their number is stored

_PRAGMAS = (
    *("page_size = 4096", "encoding = 'UTF-8'", "journal_mode = OFF", "synchronous = OFF"),
    *("cache_size = -16384", f"application_id = {APPLICATION_ID}", f"user_version = {FORMAT}"),
)


@frozen()
class IndexSettings:
    """With what the chunks of an index were made; see `IndexMeta`."""

    embedder: EmbedderInfo | None
    chunk_size: int
    sources: tuple[str, ...]
    reader: int
    ocr: OcrInfo | None = None


def write_index(
    path: Path,
    documents: Iterable[tuple[StoredDocument, Iterable[StoredChunk]]],
    settings: IndexSettings,
    probes: Sequence[bytes] = (),
) -> IndexMeta:
    """Write an index to *path*, which is replaced when it is complete and on the disk.

    *documents* must come in the order of their URIs. A vector is stored only if *settings* has an
    embedder. A file beside *path* is used meanwhile, whose name ends in ``.raw``.

    Raises:
        OSError, sqlite3.Error: it cannot be written.
    """
    raw, whole = _temporary(path)
    try:
        with closing(sqlite3.connect(raw, isolation_level=None)) as connection:
            meta = _Writer(connection, settings).write(documents, probes)
            connection.execute("VACUUM INTO ?", (str(whole),))
        _to_disk(whole)
        whole.replace(path)
        _to_disk(path.parent)
    finally:
        with suppress(OSError):
            remove_leftovers(path)
    return meta


def remove_leftovers(path: Path) -> None:
    """Remove what a process has left that was killed while it wrote the index at *path*."""
    for leftover in _temporary(path):
        leftover.unlink(missing_ok=True)


def _temporary(path: Path) -> tuple[Path, Path]:
    return path.with_name(f".{path.name}.raw"), path.with_name(f".{path.name}.new")


class _Writer:
    def __init__(self, connection: sqlite3.Connection, settings: IndexSettings) -> None:
        self._connection = connection
        self._settings = settings
        self._documents = self._chunks = self._without_vector = 0

    def write(
        self,
        documents: Iterable[tuple[StoredDocument, Iterable[StoredChunk]]],
        probes: Sequence[bytes],
    ) -> IndexMeta:
        for statement in (*(f"PRAGMA {pragma}" for pragma in _PRAGMAS), "BEGIN", *STATEMENTS):
            self._connection.execute(statement)
        for document, chunks in documents:
            self._add(document, chunks)
        self._finish_words()
        meta = self._finish_vectors(probes)
        rows = sorted(meta_rows(meta).items())
        self._connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
        self._connection.execute("COMMIT")
        return meta

    def _add(self, document: StoredDocument, chunks: Iterable[StoredChunk]) -> None:
        first = self._chunks + 1
        for stored in chunks:
            self._add_chunk(document, stored)
        self._documents += 1
        pages = write_pages(document.pages_without_text)
        self._connection.execute(
            "INSERT INTO document VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *(self._documents, document.uri, document.title, document.digest, pages),
                *(first, self._chunks + 1 - first),
            ),
        )

    def _add_chunk(self, document: StoredDocument, stored: StoredChunk) -> None:
        self._chunks += 1
        chunk, number = stored.chunk, self._chunks
        headings = HEADINGS_SEPARATOR.join(chunk.headings)
        self._connection.execute(
            "INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?)",
            (number, self._documents + 1, chunk.page, chunk.overlap, headings, chunk.text),
        )
        self._connection.execute(
            "INSERT INTO words(rowid, title, headings, text) VALUES (?, ?, ?, ?)",
            (number, document.title, " ".join(chunk.headings), chunk.text),
        )
        if self._settings.embedder is None:
            return
        if stored.vector is None:
            self._without_vector += 1
            return
        self._connection.execute("INSERT INTO vector VALUES (?, ?)", (number, stored.vector))

    def _finish_words(self) -> None:
        self._connection.execute("INSERT INTO words(words) VALUES ('optimize')")
        self._connection.execute(
            "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab('main', 'words', 'row')"
        )
        self._connection.execute(
            "INSERT INTO common SELECT term, doc FROM temp.vocabulary WHERE doc >= ? ORDER BY term",
            (_COMMON,),
        )

    def _finish_vectors(self, probes: Sequence[bytes]) -> IndexMeta:
        settings, floor = self._settings, 0.0
        if settings.embedder is not None:
            dimension = settings.embedder.dimension
            parts = list(sign_parts(self._vectors(), dimension))
            self._connection.executemany("INSERT INTO signs(chunks, bits) VALUES (?, ?)", parts)
            self._connection.executemany(
                "INSERT INTO probe(value) VALUES (?)", [(probe,) for probe in probes]
            )
            floor = self._floor(VectorScan(parts, dimension, self._chunks), probes, dimension)
        return IndexMeta(
            embedder=settings.embedder,
            documents=self._documents,
            chunks=self._chunks,
            without_vector=self._without_vector,
            chunk_size=settings.chunk_size,
            floor=floor,
            sources=settings.sources,
            reader=settings.reader,
            ocr=settings.ocr,
        )

    def _vectors(self) -> Iterator[tuple[int, bytes]]:
        yield from self._connection.execute("SELECT chunk, value FROM vector ORDER BY chunk")

    def _floor(self, scan: VectorScan, probes: Sequence[bytes], dimension: int) -> float:
        vectors = [unpack(probe, dimension) for probe in probes]
        found = [
            scan.nearest(vector, lambda ids: vectors_of(self._connection, ids), 1)
            for vector in vectors
        ]
        between = [cosine(one, other) for one, other in combinations(vectors, 2)]
        return floor_of([near[0].cosine for near in found if near], between)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
