"""Give the room of retrieval what it needs to start an embedding model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.events import ignore
from ramalama.rag.embedding_server import KEEP_ALIVE, EmbedderAccess

if TYPE_CHECKING:
    import threading
    from contextlib import AbstractContextManager

    from ramalama.api.client import Ramalama
    from ramalama.config.options import ServeOptions
    from ramalama.events import EventHook
    from ramalama.serving.server import ModelServer


def embedder_access(
    ramalama: Ramalama, *, on_event: EventHook = ignore, cancel: threading.Event | None = None
) -> EmbedderAccess:
    """Return what `opened_embedder` and `reopened_embedder` need; nothing is started yet.

    *on_event* and *cancel* are as in `Ramalama.start`.
    """

    def serve(options: ServeOptions) -> AbstractContextManager[ModelServer]:
        return ramalama.serve(
            options, reuse=True, keep_alive=KEEP_ALIVE, on_event=on_event, cancel=cancel
        )

    return EmbedderAccess(
        resolve=ramalama.models.resolve,
        settings=ramalama.config.server_settings(ramalama.user.env),
        serve=serve,
        digest_of=ramalama.models.digest_of,
        on_event=on_event,
    )
