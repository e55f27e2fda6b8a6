"""Give the room of retrieval what it needs: embedding models, indexes of documents, images."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ramalama.errors import DocumentNotFound, RagError
from ramalama.rag.sources import SourceAccess

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator
    from pathlib import Path

    from ramalama.events import EventHook
    from ramalama.rag.values import Embedder, EmbedderInfo
    from ramalama_engines.user import InvokingUser


def source_access(user: InvokingUser, on_event: EventHook) -> SourceAccess:
    """Return what `open_knowledge` needs; nothing is started or read yet."""
    return SourceAccess(
        home=user.home,
        start_embedder=_start_embedder,
        index_documents=_index_documents,
        read_image=_no_image,
        on_event=on_event,
    )


@contextmanager
def _start_embedder(info: EmbedderInfo, cancel: threading.Event) -> Generator[Embedder]:
    msg = f"{info.model} {cancel}"
    raise RagError(msg)
    yield


def _index_documents(path: Path) -> Path:
    msg = f"{path} is not an index"
    raise RagError(msg)


def _no_image(name: str) -> Path:
    msg = f"there is no image {name}"
    raise DocumentNotFound(msg)
