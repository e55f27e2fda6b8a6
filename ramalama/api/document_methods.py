"""The methods of `Ramalama` for documents, and for embedding models."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ramalama.api.base import RamalamaBase
from ramalama.events import ignore
from ramalama_engines.kinds import PullPolicy

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator
    from pathlib import Path

    from ramalama.events import EventHook
    from ramalama.rag.embedding_server import EmbedderAccess
    from ramalama.rag.values import Embedder
    from ramalama.serving.request import StartRequest
    from ramalama.serving.server import ModelServer
    from ramalama_chat.session.knowledge import Knowledge


class DocumentMethods(RamalamaBase):
    """The methods of `Ramalama` for documents, and for embedding models."""

    @contextmanager
    def documents(self, named: str | Path, *, on_event: EventHook = ignore) -> Generator[Knowledge]:
        """Open documents to search, for the length of a block; *named* is as in `ServeOptions.rag`.

        Give the result to the `knowledge` of a `ChatSession` with any server. Of a server that was
        started with ``rag``, every `ModelServer.chat` has it already.

        Raises:
            RagError: there is no such file, or it is no index; an index could not be made.
            EngineFailure: the engine has failed while it read an image.
        """
        from ramalama.api.documents import open_documents  # noqa: PLC0415 (rarely used)

        with ExitStack() as opened:
            yield open_documents(self, named, opened, on_event=on_event)

    def offer_documents(
        self, server: ModelServer, named: str, *, on_event: EventHook = ignore
    ) -> None:
        """Offer the documents of *server*, which has *named* as ``rag``, to the stack before it.

        They become a vector store, named after them, for its file search. Nothing is done if the
        server has no stack, or that has no embedding model. A `Notice` says if it fails.
        """
        from ramalama.api.stack_documents import offer_to_stack  # noqa: PLC0415 (rarely used)

        offer_to_stack(server, named, self.models, on_event)

    @contextmanager
    def embedder(
        self,
        model: str | None = None,
        *,
        on_event: EventHook = ignore,
        cancel: threading.Event | None = None,
    ) -> Generator[Embedder | None]:
        """Open an embedding model, which turns texts into vectors, for the length of a block.

        Its server is shared with other processes of this user, and stays for five minutes after
        the last of them. None stands for the model that the settings name, else for
        nomic-embed-text. If that cannot be had, or the name is "none", there is no embedder.

        Raises:
            ModelError: the named model cannot be had, or makes no embeddings.
            EngineFailure, ServerError: it cannot be started.
            EmbeddingFailed: its server does not answer as it should.
        """
        from ramalama.rag.embedding_server import opened_embedder  # noqa: PLC0415 (rarely used)

        access = self.embedder_access(on_event=on_event, cancel=cancel)
        with opened_embedder(model or self.config.embedding_model, access) as opened:
            yield opened

    def embedder_access(
        self, *, on_event: EventHook = ignore, cancel: threading.Event | None = None
    ) -> EmbedderAccess:
        """Return what `ramalama.rag.embedding_server` needs; nothing is started yet."""
        from ramalama.api.documents import embedder_access  # noqa: PLC0415 (rarely used)

        return embedder_access(self, on_event, cancel)

    def read_index(
        self,
        image: str,
        *,
        pull_policy: PullPolicy = PullPolicy.MISSING,
        authfile: Path | None = None,
        tls_verify: bool = True,
        on_event: EventHook = ignore,
    ) -> Path:
        """Return a copy of the index of documents in an OCI image, which is pulled if necessary.

        The copy is in the user's cache; it is made once for each image.

        Raises:
            InvalidReference: *image* is not a reference.
            RagError: the image has no index, or the copy cannot be kept.
            EngineFailure: no engine answers, or it does not have the image.
        """
        from ramalama.api.documents import copy_index  # noqa: PLC0415 (rarely used)
        from ramalama.serving.images import ImageRequest  # noqa: PLC0415 (likewise)

        request = ImageRequest(
            name=image, pull_policy=pull_policy, authfile=authfile, tls_verify=tls_verify
        )
        return copy_index(self, request, on_event)

    def _start_with_documents(self, request: StartRequest, undo: ExitStack) -> ModelServer:
        from ramalama.api.documents import start_with_documents  # noqa: PLC0415 (rarely used)

        return start_with_documents(self, request, lambda each: self._starter.start(each, undo))
