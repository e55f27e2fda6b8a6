"""Keep the indexes of documents that `--rag` names in a cache, and update them when they are used.

The name of an index follows from where the documents are and how the user has named them, since the
index has the names, too. An index is of no use to anyone else, so the directory is private.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from ramalama.errors import IndexInvalid, IndexNotFound
from ramalama.rag.index.archive import Archive
from ramalama.rag.indexing import index_documents
from ramalama_values import frozen
from ramalama_values.directories import PRIVATE, make_directories

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ramalama.events import IndexHook
    from ramalama.rag.index.meta import IndexMeta
    from ramalama.rag.values import Embedder, EmbedderInfo

_NAME_LENGTH = 32


@frozen()
class CacheAccess:
    """What the cache needs.

    Attributes:
        directory: where the indexes are.
        model: the reference of the embedding model that the user wants; None for the default one,
            which may be left out; "" for none.
        open_embedder: opens that model for the length of a block; None if it is left out.
        on_event: is told what happens.
    """

    directory: Path
    model: str | None
    open_embedder: Callable[[], AbstractContextManager[Embedder | None]]
    on_event: IndexHook


def index_in_cache(named: str, path: Path, access: CacheAccess) -> Path:
    """Make or update the index of the documents at *path*, as the user has *named* them.

    An embedding model is started only if there is something to embed.

    Raises:
        RagError, OSError: the index cannot be made.
        ModelError, EngineFailure, ServerError: the embedding model cannot be started.
    """
    make_directories(access.directory, mode=PRIVATE)
    key = f"{os.path.realpath(path)}\0{named}".encode(errors="surrogateescape")
    index = access.directory / f"{hashlib.sha256(key).hexdigest()[:_NAME_LENGTH]}.db"
    with ExitStack() as opened:
        embedder = _embedder(_meta(index), access, opened)
        index_documents([named], index, embedder=embedder, on_event=access.on_event)
    return index


def _embedder(meta: IndexMeta | None, access: CacheAccess, opened: ExitStack) -> Embedder | None:
    if access.model == "":
        return None
    if meta is not None and meta.embedder is None and access.model is None:
        return None  # the default model could not be had; to try it each time takes long
    if meta is None or meta.embedder is None or access.model not in (None, meta.embedder.model):
        return opened.enter_context(access.open_embedder())
    return opened.enter_context(_LateEmbedder(meta.embedder, meta.chunk_size, access))


def _meta(index: Path) -> IndexMeta | None:
    try:
        with Archive(index) as archive:
            return archive.meta
    except (IndexInvalid, IndexNotFound):
        return None


class _LateEmbedder:
    """The embedding model of an index, which is started when the first text is embedded."""

    def __init__(self, info: EmbedderInfo, limit: int, access: CacheAccess) -> None:
        self.info = info
        self.limit = limit
        self._access = access
        self._stack = ExitStack()
        self._opened: Embedder | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def count(self, texts: Sequence[str]) -> list[int]:
        """See `Embedder`."""
        return self._embedder.count(texts)

    def embed(self, texts: Sequence[str]) -> list[array[float] | None]:
        """See `Embedder`."""
        return self._embedder.embed(texts)

    def embed_question(self, question: str) -> array[float]:
        """See `Embedder`."""
        return self._embedder.embed_question(question)

    @property
    def _embedder(self) -> Embedder:
        if self._opened is None:
            self._opened = self._stack.enter_context(self._access.open_embedder())
            if self._opened is None or self._opened.info != self.info:
                msg = f"{self.info.model} is not the model any more that has made the index"
                raise IndexInvalid(msg, hint="make the index with `ramalama rag`")
        return self._opened
