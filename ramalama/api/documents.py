"""Give the room of retrieval what it needs: embedding models, indexes of documents, images."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ramalama.config.defaults import NO_EMBEDDING_MODEL
from ramalama.errors import RagError
from ramalama.events import (
    ContainerCreated,
    ContainerStarted,
    EngineConnected,
    ImageReady,
    Notice,
    ServerReady,
)
from ramalama.models.reference.reference import ModelRef
from ramalama.planning.labels import MODEL_LABEL
from ramalama.rag.sources import SourceAccess
from ramalama_chat.errors import ChatError
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ramalama.config.config import Config
    from ramalama.events import Event, EventHook
    from ramalama.models.library import Models
    from ramalama.rag.embedding_server import EmbedderAccess
    from ramalama.rag.index.index import Index
    from ramalama.rag.stack_store import StackEmbedder
    from ramalama.rag.values import Embedder, EmbedderInfo
    from ramalama.serving.server import ModelServer
    from ramalama_engines.user import InvokingUser


def one_at_a_time(hook: EventHook) -> EventHook:
    """Return the hook for two threads: a model's server and an embedding model start together."""
    lock = threading.Lock()

    def tell(event: Event) -> None:
        with lock:
            hook(event)

    return tell


_STEPS = EngineConnected | ImageReady | ContainerCreated | ContainerStarted | ServerReady


@frozen()
class Documents:
    """Opens documents for one user.

    Attributes:
        config: the settings of this host.
        user: whose directories and credentials are used.
        read_image: reads the index in an image, and returns its file.
        embedder_access: returns what starts an embedding model, and is given a hook and what
            cancels the start.
        on_event: is told what happens, from any thread.
    """

    config: Config
    user: InvokingUser
    read_image: Callable[[str], Path]
    embedder_access: Callable[[EventHook, threading.Event | None], EmbedderAccess]
    on_event: EventHook

    def tell(self, event: Event) -> None:
        """Pass on what concerns the user; the steps of a start are those of the model's server."""
        if not isinstance(event, _STEPS):
            self.on_event(event)

    def access(self) -> SourceAccess:
        """Return what `open_knowledge` needs; nothing is started or read yet."""
        return SourceAccess(
            home=self.user.home,
            start_embedder=self._start_embedder,
            index_documents=self._index,
            read_image=self.read_image,
            on_event=self.tell,
            wants_meaning=self.config.embedding_model != "none",
        )

    def _start_embedder(
        self, info: EmbedderInfo, cancel: threading.Event
    ) -> AbstractContextManager[Embedder]:
        from ramalama.rag.embedding_server import (  # noqa: PLC0415 (few indexes have vectors)
            reopened_embedder,
        )

        return reopened_embedder(info, self.embedder_access(self.tell, cancel))

    def _index(self, named: str, path: Path) -> Path:
        from ramalama.rag.cache import cache_directory  # noqa: PLC0415 (as below)
        from ramalama.rag.cached import CacheAccess, index_in_cache  # noqa: PLC0415 (as below)
        from ramalama.rag.embedding_server import (  # noqa: PLC0415 (for documents, not indexes)
            opened_embedder,
        )

        wanted, access = self.config.embedding_model, self.embedder_access(self.tell, None)
        is_model = wanted not in (None, NO_EMBEDDING_MODEL)
        model = str(access.resolve(wanted)) if is_model and wanted else None
        return index_in_cache(
            named,
            path,
            CacheAccess(
                directory=cache_directory(self.user),
                model="" if wanted == NO_EMBEDDING_MODEL else model,
                open_embedder=lambda: opened_embedder(wanted, access),
                on_event=self.on_event,
            ),
        )


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


_WITH_EMBEDDER = 2  # containers beside a server


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
