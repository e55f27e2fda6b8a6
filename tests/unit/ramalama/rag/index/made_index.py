"""Indexes of a few texts, written without reading any document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.rag.chunks import embedded_text
from ramalama.rag.index.contents import StoredChunk, StoredDocument
from ramalama.rag.index.probes import PROBES
from ramalama.rag.index.vectors import pack
from ramalama.rag.index.writer import IndexSettings, write_index
from ramalama.rag.values import Chunk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ramalama.rag.values import Embedder

TEXTS = {
    "cats.md": ("Cats sleep all day.", "They hunt mice at night.", "Kittens play with wool."),
    "ships.md": ("Ships cross the ocean.", "Sailors drop the anchor in the harbour."),
    "tar.md": ("tar packs files into an archive.", "The option --xattrs keeps attributes."),
}


def write(
    path: Path,
    texts: Mapping[str, Sequence[str | Chunk]] = TEXTS,
    embedder: Embedder | None = None,
) -> Path:
    """Write an index of *texts*, by the URI of their document; return its path."""
    settings = IndexSettings(
        embedder=embedder.info if embedder else None, chunk_size=100, sources=("docs",), reader=1
    )
    probes = [pack(embedder.embed_question(probe)) for probe in PROBES] if embedder else []
    documents = (
        (
            StoredDocument(uri=uri, title=uri, digest="0" * 64),
            [_stored(uri, text, embedder) for text in texts[uri]],
        )
        for uri in sorted(texts)
    )
    write_index(path, documents, settings, probes)
    return path


def _stored(uri: str, text: str | Chunk, embedder: Embedder | None) -> StoredChunk:
    chunk = text if isinstance(text, Chunk) else Chunk(text=text)
    vector = embedder.embed([embedded_text(uri, chunk)])[0] if embedder else None
    return StoredChunk(chunk=chunk, vector=None if vector is None else pack(vector))
