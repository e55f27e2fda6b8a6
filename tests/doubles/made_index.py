"""Indexes of a few made-up documents, in which words are searched."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ramalama.rag.index.contents import StoredChunk, StoredDocument
from ramalama.rag.index.writer import IndexSettings, write_index
from ramalama.rag.values import Chunk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HARBOUR = {
    "docs/harbour.md": "The harbour master of Quexburgh is called Ottoline Marsh. "
    "She opens the locks at six in the morning.",
    "docs/bread.md": "Bread is baked from flour, water, salt and yeast, for forty minutes.",
    "docs/stars.md": "The telescope on the hill shows the rings of Saturn in winter.",
}
QUESTION = "Who is the harbour master of Quexburgh?"


def make_index(path: Path, documents: Mapping[str, str] = HARBOUR) -> Path:
    """Write an index of *documents*, texts by their URIs, and return its path."""
    settings = IndexSettings(embedder=None, chunk_size=256, sources=("docs",), reader=1)
    write_index(path, ((_document(uri, text)) for uri, text in sorted(documents.items())), settings)
    return path


def _document(uri: str, text: str) -> tuple[StoredDocument, list[StoredChunk]]:
    chunk = Chunk(text=text, headings=("Facts",), page=3)
    stored = StoredDocument(
        uri=uri,
        title=uri.rpartition("/")[2],
        digest=hashlib.sha256(text.encode()).hexdigest(),
        chunks=1,
    )
    return stored, [StoredChunk(chunk=chunk, vector=None)]
