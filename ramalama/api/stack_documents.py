"""Offer the documents of a server to the stack before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import RagError
from ramalama.events import Notice
from ramalama.models.reference.reference import ModelRef
from ramalama.planning.labels import MODEL_LABEL
from ramalama_chat.errors import ChatError

if TYPE_CHECKING:
    from ramalama.events import EventHook
    from ramalama.models.library import Models
    from ramalama.rag.index.index import Index
    from ramalama.rag.stack_store import StackEmbedder
    from ramalama.serving.server import ModelServer

_WITH_EMBEDDER = 2  # containers beside a server


def offer_to_stack(server: ModelServer, named: str, models: Models, on_event: EventHook) -> None:
    """Offer the documents of a server to the stack before it, as a vector store.

    *named* is what the user calls them. Nothing is done without a stack or its embeddings server.
    If it fails, a `Notice` says so: the documents are searched here in any case.
    """
    if len(server.plan.companions) < _WITH_EMBEDDER or server.knowledge is None:
        return
    from ramalama.rag.stack_store import (  # noqa: PLC0415 (few servers have a stack)
        offer_index,
        store_name,
    )

    name, index, embedder = store_name(named), _index_of(server), _embedder_of(server, models)
    if index is None or embedder is None:
        return

    def tell_of_embedding(chunks: int) -> None:
        told = f"the stack embeds {chunks} chunks of {name}, which has no vectors of its model"
        on_event(Notice(told))

    try:
        offer = offer_index(server.client(), index, name, embedder, on_embed=tell_of_embedding)
    except (ChatError, RagError) as exc:
        on_event(Notice(f"{name} is no vector store of the stack: {exc}"))
        return
    if offer.refused:
        on_event(Notice(f"the stack lacks {offer.refused} chunks of {name}, which are too long"))


def _index_of(server: ModelServer) -> Index | None:
    from ramalama.rag.index.index import Index  # noqa: PLC0415 (sqlite3 is slow to import)
    from ramalama.rag.knowledge import IndexKnowledge  # noqa: PLC0415 (with that)

    knowledge = server.knowledge
    index = knowledge.index if isinstance(knowledge, IndexKnowledge) else None
    return index if isinstance(index, Index) else None


def _embedder_of(server: ModelServer, models: Models) -> StackEmbedder | None:
    """Return the embedding model beside the stack; None if it was removed meanwhile."""
    from ramalama.rag.stack_store import StackEmbedder  # noqa: PLC0415 (few servers have a stack)

    embedder, stack = server.plan.companions
    model = models.find(ModelRef.parse(embedder.labels[MODEL_LABEL]))
    if model is None:
        return None
    digest = str(models.digest_of(model.weights[0]))
    return StackEmbedder(name=stack.env["EMBEDDING_MODEL"], digest=digest)
