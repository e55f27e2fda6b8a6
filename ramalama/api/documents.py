"""Give the room of retrieval what it needs: embedding models, indexes of documents, images."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.config.defaults import NO_EMBEDDING_MODEL
from ramalama.errors import engine_errors
from ramalama.events import (
    ContainerCreated,
    ContainerStarted,
    EngineConnected,
    ImageReady,
    ServerReady,
)
from ramalama.rag.sources import SourceAccess, open_knowledge
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ramalama.api.base import RamalamaBase
    from ramalama.config.options import ServeOptions
    from ramalama.events import Event, EventHook
    from ramalama.rag.embedding_server import EmbedderAccess
    from ramalama.rag.values import Embedder, EmbedderInfo
    from ramalama.serving.images import ImageRequest
    from ramalama.serving.request import StartRequest
    from ramalama.serving.server import ModelServer
    from ramalama_chat.session.knowledge import Knowledge


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
    """Opens documents with the handle of one user.

    Attributes:
        options: how an image with an index is pulled; None for the defaults.
        on_event: is told what happens, from any thread.
        cancel: cancels the start of an embedding model.
    """

    handle: RamalamaBase
    options: ServeOptions | None = None
    on_event: EventHook
    cancel: threading.Event | None = None

    def tell(self, event: Event) -> None:
        """Pass on what concerns the user; the steps of a start are those of the model's server."""
        if not isinstance(event, _STEPS):
            self.on_event(event)

    def access(self) -> SourceAccess:
        """Return what `open_knowledge` needs; nothing is started or read yet."""
        return SourceAccess(
            home=self.handle.user.home,
            start_embedder=self._start_embedder,
            index_documents=self._index,
            read_image=self._read_image,
            on_event=self.tell,
            wants_meaning=self.handle.config.embedding_model != "none",
        )

    def _start_embedder(
        self, info: EmbedderInfo, cancel: threading.Event
    ) -> AbstractContextManager[Embedder]:
        from ramalama.rag.embedding_server import (  # noqa: PLC0415 (few indexes have vectors)
            reopened_embedder,
        )

        return reopened_embedder(info, self._embedder_access(cancel))

    def _index(self, named: str, path: Path) -> Path:
        from ramalama.rag.cache import cache_directory  # noqa: PLC0415 (as below)
        from ramalama.rag.cached import CacheAccess, index_in_cache  # noqa: PLC0415 (as below)
        from ramalama.rag.embedding_server import (  # noqa: PLC0415 (for documents, not indexes)
            opened_embedder,
        )

        wanted, access = self.handle.config.embedding_model, self._embedder_access(None)
        is_model = wanted not in (None, NO_EMBEDDING_MODEL)
        model = str(access.resolve(wanted)) if is_model and wanted else None
        return index_in_cache(
            named,
            path,
            CacheAccess(
                directory=cache_directory(self.handle.user),
                model="" if wanted == NO_EMBEDDING_MODEL else model,
                open_embedder=lambda: opened_embedder(wanted, access),
                on_event=self.on_event,
            ),
        )

    def _embedder_access(self, cancel: threading.Event | None) -> EmbedderAccess:
        return embedder_access(self.handle, self.tell, cancel or self.cancel)

    def _read_image(self, name: str) -> Path:
        from ramalama.serving.images import ImageRequest  # noqa: PLC0415 (few documents are images)

        request = (
            ImageRequest(name=name) if self.options is None else ImageRequest.of(name, self.options)
        )
        return copy_index(self.handle, request, self.on_event)


def open_documents(
    handle: RamalamaBase, named: str | Path, opened: ExitStack, *, on_event: EventHook
) -> Knowledge:
    """Open documents to search; see `Ramalama.documents`. *opened* closes them."""
    name = os.path.join(os.curdir, named) if isinstance(named, Path) else named  # noqa: PTH118
    return open_knowledge(name, Documents(handle=handle, on_event=on_event).access(), opened)


def start_with_documents(
    handle: RamalamaBase, request: StartRequest, start: Callable[[StartRequest], ModelServer]
) -> ModelServer:
    """Start a server by *start*, and let its chats search the documents of *request*."""
    from ramalama.planning.checks import check_options  # noqa: PLC0415 (only for a server)

    options = request.options
    check_options(options)  # before documents are indexed
    on_event = one_at_a_time(request.on_event)
    documents = Documents(handle=handle, options=options, on_event=on_event, cancel=request.cancel)
    with ExitStack() as opened:
        # First, so that a name that leads nowhere starts nothing.
        knowledge = open_knowledge(str(options.rag), documents.access(), opened)
        server = start(replace(request, on_event=on_event))
        server.lend(knowledge, opened.pop_all())
    return server


def embedder_access(
    handle: RamalamaBase, on_event: EventHook, cancel: threading.Event | None
) -> EmbedderAccess:
    """Return what starts an embedding model; see `Ramalama.embedder_access`."""
    from ramalama.rag.embedding_server import (  # noqa: PLC0415 (not for each index)
        KEEP_ALIVE,
        EmbedderAccess,
    )

    def serve(options: ServeOptions) -> AbstractContextManager[ModelServer]:
        return handle.serve(
            options, reuse=True, keep_alive=KEEP_ALIVE, on_event=on_event, cancel=cancel
        )

    return EmbedderAccess(
        resolve=handle.models.resolve,
        settings=handle.config.server_settings(handle.user.env),
        serve=serve,
        digest_of=handle.models.digest_of,
        wanted=handle.config.embedding_model,
        is_here=lambda reference: handle.models.find(reference) is not None,
        on_event=on_event,
    )


def copy_index(handle: RamalamaBase, request: ImageRequest, on_event: EventHook) -> Path:
    """Return a copy of the index in an image; see `Ramalama.read_index`."""
    from ramalama.rag.cache import cache_directory  # noqa: PLC0415 (few documents are images)
    from ramalama.rag.images import read_index  # noqa: PLC0415 (likewise)
    from ramalama.serving.images import fetch_image  # noqa: PLC0415 (likewise)

    with engine_errors():
        engine = handle.connect()
        local = fetch_image(engine, handle.user, request, on_event=on_event)
        return read_index(engine, local, cache_directory(handle.user))
