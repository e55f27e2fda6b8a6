"""Cut documents into chunks, embed these in batches, and keep all of it in the work file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ramalama.events import IndexProgress
from ramalama.rag.chunks import cut, embedded_text, estimate
from ramalama.rag.documents.limits import Unreadable
from ramalama.rag.index.contents import StoredDocument
from ramalama.rag.index.vectors import pack
from ramalama.rag.index.workfile import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ramalama.events import IndexHook
    from ramalama.rag.index.contents import StoredChunk
    from ramalama.rag.index.workfile import WorkFile
    from ramalama.rag.values import Chunk, Document, Embedder

_BATCH = 64  # chunks that are embedded, and then written to the disk
_MOST_WAITING = 200  # documents
_PAUSE = 0.1  # seconds between two events


class Ingest:
    """Takes documents, and collects chunks of several ones until they make a batch.

    *earlier* returns title and chunks of a document in the previous index, whose vectors are used
    again for chunks that have not changed.

    Attributes:
        embedded: how many chunks were embedded.
        chunks: how many chunks the documents have.
    """

    def __init__(
        self,
        work: WorkFile,
        embedder: Embedder | None,
        limit: int,
        earlier: Callable[[str], tuple[str, Sequence[StoredChunk]]],
        on_event: IndexHook,
    ) -> None:
        self.embedded = 0
        self.chunks = 0
        self._work = work
        self._embedder = embedder
        self._limit = limit
        self._earlier = earlier
        self._on_event = on_event
        self._waiting: list[tuple[StoredDocument, Sequence[Chunk]]] = []
        self._progress = ("", 0, 0)
        self._told = 0.0

    def add(self, document: Document) -> None:
        """Take a document.

        Raises:
            Unreadable: there is no text in it.
        """
        count = estimate if self._embedder is None else self._embedder.count
        chunks = cut(document, limit=self._limit, count=count)
        if not chunks and not document.pages_without_text:
            msg = "has no text"
            raise Unreadable(msg)
        stored = StoredDocument(
            uri=document.uri,
            title=document.title,
            digest=document.digest,
            pages_without_text=document.pages_without_text,
            chunks=len(chunks),
        )
        self.chunks += len(chunks)
        self._waiting.append((stored, chunks))
        waiting = sum(len(chunks) for _, chunks in self._waiting)
        if waiting >= _BATCH or len(self._waiting) >= _MOST_WAITING:
            self.finish()

    def finish(self) -> None:
        """Embed what waits, and write it to the disk."""
        texts = {
            key_of(text): text
            for document, chunks in self._waiting
            for text in (embedded_text(document.title, chunk) for chunk in chunks)
        }
        if self._embedder is not None:
            self._embed(texts, self._embedder)
        keyed = [
            (
                document,
                [(chunk, key_of(embedded_text(document.title, chunk))) for chunk in chunks],
            )
            for document, chunks in self._waiting
        ]
        if keyed:
            self._work.add_documents(keyed)
        self._waiting = []

    def tell(self, uri: str, done: int, documents: int) -> None:
        """Say which document is read."""
        self._progress = (uri, done, documents)
        self._tell()

    def tell_page(self, page: int, pages: int) -> None:
        """Say which scanned page of the document is read; each takes long, so each is told."""
        self._told = 0.0
        self._tell(page, pages)

    def _embed(self, texts: Mapping[bytes, str], embedder: Embedder) -> None:
        """Embed those of *texts* whose vectors are not known."""
        known = self._work.vectors(list(texts))
        missing = {key: text for key, text in texts.items() if key not in known}
        if missing:
            again = self._known_earlier(missing)
            self._work.add_vectors(again)
            missing = {key: text for key, text in missing.items() if key not in again}
        keys = list(missing)
        for start in range(0, len(keys), _BATCH):
            some = keys[start : start + _BATCH]
            vectors = embedder.embed([missing[key] for key in some])
            pairs = zip(some, vectors, strict=True)
            self._work.add_vectors(
                {key: pack(vector) for key, vector in pairs if vector is not None}
            )
            self.embedded += len(some)
            self._tell()

    def _known_earlier(self, wanted: Mapping[bytes, str]) -> Mapping[bytes, bytes]:
        """Return vectors of the previous index for the same texts in the same documents."""
        found: dict[bytes, bytes] = {}
        for document, _ in self._waiting:
            title, chunks = self._earlier(document.uri)
            for each in chunks:
                key = key_of(embedded_text(title, each.chunk))
                if key in wanted and each.vector is not None:
                    found[key] = each.vector
        return found

    def _tell(self, page: int = 0, pages: int = 0) -> None:
        now = time.monotonic()
        if now - self._told < _PAUSE:
            return
        self._told = now
        uri, done, documents = self._progress
        self._on_event(
            IndexProgress(
                uri=uri,
                done=done,
                documents=documents,
                chunks=self.chunks,
                embedded=self.embedded,
                page=page,
                pages=pages,
            )
        )
