"""Offer an index to Llama Stack (OGX) as a vector store, in which its file search looks.

The stack keeps the store as long as it runs. Vectors of its own embedding model go there as they
are in the index. For other ones the stack embeds the texts: without the words that the model may
want before them, since the stack puts none before a question.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from ramalama.rag.chunks import embedded_text
from ramalama.rag.document_names import last_part
from ramalama.rag.embeddings import ServerEmbedder
from ramalama.rag.index.vectors import unpack
from ramalama.rag.values import EmbedderInfo
from ramalama_chat.client.failures import chat_errors
from ramalama_chat.errors import RequestFailed
from ramalama_values import frozen
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import openai

    from ramalama.rag.index.contents import StoredChunk, StoredDocument
    from ramalama.rag.index.index import Index

# The key in the metadata of a store that was made here: the index, or "" until it is complete.
_INDEX = "ramalama_index"
_BATCH = 64  # chunks in a request
_STORES = "/vector_stores"
_MOST_STORES = 100  # in one answer
_ID_LENGTH = 32


@frozen()
class StackEmbedder:
    """The embedding model of a stack: its *name* there, and the *digest* of its file."""

    name: str
    digest: str


@frozen()
class Offer:
    """What was offered: the *store*'s ID, and how many chunks the embedding model has refused."""

    store: str
    refused: int = 0


def store_name(named: str) -> str:
    """Return the name of the store for what the user has named: an index, documents, an image."""
    path = Path(named)
    return (path.resolve().stem if path.exists() else named) or named


def offer_index(
    client: openai.OpenAI,
    index: Index,
    name: str,
    embedder: StackEmbedder,
    *,
    on_embed: Callable[[int], None],
) -> Offer:
    """Make the vector store *name* of *index*, unless the stack has it; an older one is removed.

    *on_embed* is called with the number of chunks before they are embedded.

    Raises:
        ChatError: the stack does not answer, or refuses something.
        EmbeddingFailed: its embedding model fails.
        IndexInvalid: the index is damaged.
    """
    with chat_errors():
        digest = _digest(index)
        for store in _list(client):
            if store.name == name and store.index == digest:
                return Offer(store=store.id)
            if store.name == name and store.index is not None:
                client.delete(_path(store.id), cast_to=object)
        body = {"name": name, "metadata": {_INDEX: ""}, "embedding_model": embedder.name}
        made = _Store.read(client.post(_STORES, body=body, cast_to=object))
        refused = _Filling(client, index, made.id, embedder).fill(on_embed)
        metadata = {**made.metadata, _INDEX: digest}  # these replace all that were there
        client.post(_path(made.id), body={"metadata": metadata}, cast_to=object)
        return Offer(store=made.id, refused=refused)


@frozen()
class _Store:
    """A vector store of the stack; *index* is what its metadata say of ours, None for others."""

    id: str
    name: str
    metadata: Mapping[str, object]

    @property
    def index(self) -> object:
        return self.metadata.get(_INDEX)

    @classmethod
    def read(cls, value: object) -> Self:
        if is_object(value) and isinstance(found := value.get("id"), str):
            name, metadata = value.get("name"), value.get("metadata")
            return cls(
                id=found,
                name=name if isinstance(name, str) else "",
                metadata=metadata if is_object(metadata) else {},
            )
        msg = "the server sent something that is no vector store"
        raise RequestFailed(msg, hint="is the image of the stack one of OGX 1.x?")


def _list(client: openai.OpenAI) -> list[_Store]:
    answer = client.get(f"{_STORES}?limit={_MOST_STORES}", cast_to=object)
    data = answer.get("data") if is_object(answer) else None
    return [_Store.read(each) for each in data] if is_array(data) else []


def _path(store: str) -> str:
    return f"{_STORES}/{quote(store, safe='')}"


@frozen(kw_only=False)
class _Filling:
    """Fills one store."""

    client: openai.OpenAI
    index: Index
    store: str
    embedder: StackEmbedder

    def fill(self, on_embed: Callable[[int], None]) -> int:
        """Insert all chunks, and return how many were refused."""
        info = self.index.info.embedder
        if info is not None and info.digest and info.digest == self.embedder.digest:
            return self._insert_all(info.dimension, None)
        on_embed(self.index.info.chunks)
        identity = EmbedderInfo(model=self.embedder.name, dimension=0)
        with ServerEmbedder(self.client, model=self.embedder.name, identity=identity) as embedding:
            return self._insert_all(embedding.info.dimension, embedding)

    def _insert_all(self, dimension: int, embedding: ServerEmbedder | None) -> int:
        refused = 0
        for document in self.index.documents():
            chunks = self.index.chunks(document.uri)
            for start in range(0, len(chunks), _BATCH):
                some = chunks[start : start + _BATCH]
                vectors = (
                    _stored(some, dimension)
                    if embedding is None
                    else embedding.embed([_content(document, each) for each in some])
                )
                bodies = list(self._bodies(document, start, some, vectors))
                refused += len(some) - len(bodies)
                if bodies:
                    self._insert(bodies)
        return refused

    def _insert(self, chunks: Sequence[object]) -> None:
        body = {"vector_store_id": self.store, "chunks": chunks}
        self.client.post("/vector-io/insert", body=body, cast_to=object)

    def _bodies(
        self,
        document: StoredDocument,
        start: int,
        chunks: Sequence[StoredChunk],
        vectors: Sequence[Sequence[float] | None],
    ) -> Iterator[dict[str, object]]:
        file = f"file-{hashlib.sha256(document.uri.encode()).hexdigest()[:_ID_LENGTH]}"
        for number, (stored, vector) in enumerate(zip(chunks, vectors, strict=True), start):
            if vector is None:
                continue
            page = {} if stored.chunk.page is None else {"page": stored.chunk.page}
            names = {"filename": last_part(document.uri), "title": document.title, **page}
            yield {
                "chunk_id": f"{file}-{number}",
                "content": _content(document, stored),
                "metadata": {"document_id": file, "file_id": file, **names},
                "chunk_metadata": {"document_id": file, "source": document.uri},
                "embedding": list(vector),
                "embedding_model": self.embedder.name,
                "embedding_dimension": len(vector),
            }


def _stored(chunks: Sequence[StoredChunk], dimension: int) -> list[Sequence[float] | None]:
    return [None if each.vector is None else unpack(each.vector, dimension) for each in chunks]


def _content(document: StoredDocument, stored: StoredChunk) -> str:
    """Return the text of a chunk under its headings, as it was embedded for the index."""
    return embedded_text(document.title, stored.chunk)


def _digest(index: Index) -> str:
    """Return what tells the documents and vectors of *index* from others."""
    digest = hashlib.sha256(repr(index.info).encode())
    for each in index.documents():
        digest.update(repr(each).encode())
    return digest.hexdigest()
