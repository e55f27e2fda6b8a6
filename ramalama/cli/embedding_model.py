"""Open the embedding model with which `ramalama rag` makes an index."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ramalama.cli.output.start_progress import StartProgress
from ramalama.config.defaults import NO_EMBEDDING_MODEL
from ramalama.rag.embedder_on_demand import EmbedderOnDemand
from ramalama.rag.embedding_server import reopened_embedder

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from ramalama.api.client import Ramalama
    from ramalama.cli.invocation import Invocation
    from ramalama.rag.index.meta import IndexMeta
    from ramalama.rag.values import Embedder, EmbedderInfo

T = TypeVar("T")


@contextmanager
def opened_model(
    invocation: Invocation,
    name: str | None,
    earlier: IndexMeta | None,
    *,
    chunk_size: int | None = None,
) -> Generator[Embedder | None]:
    """Open the embedding model *name* for the block; without a model, yield None.

    None as *name* stands for that of the *earlier* index, which starts only if something has to be
    embedded; without an earlier index, for that of the settings. The *chunk_size* is what the user
    has asked for.

    Raises:
        ModelError, EngineFailure, ServerError, EmbeddingFailed: it cannot be used.
    """
    of_index = earlier.embedder if earlier is not None and name is None else None
    if name == NO_EMBEDDING_MODEL or (name is None and earlier is not None and of_index is None):
        yield None
        return
    progress = StartProgress(quiet=invocation.quiet)
    with invocation.ramalama() as ramalama:
        if of_index is None or earlier is None:
            opening = _cleared(ramalama.embedder(name, on_event=progress.follow), progress)
            with opening as embedder:
                yield embedder
            return
        reopen = partial(_reopened, ramalama, of_index, progress)
        if chunk_size is not None:  # what the model allows must be known
            with reopen() as embedder:
                yield embedder
            return
        with EmbedderOnDemand(of_index, earlier.chunk_size, reopen) as late:
            yield late


def _reopened(
    ramalama: Ramalama, info: EmbedderInfo, progress: StartProgress
) -> AbstractContextManager[Embedder]:
    access = ramalama.embedder_access(on_event=progress.follow)
    return _cleared(reopened_embedder(info, access), progress)


@contextmanager
def _cleared(opening: AbstractContextManager[T], progress: StartProgress) -> Generator[T]:
    """Open what *opening* opens, for the block; remove the line of progress when it is open."""
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(opening)
        finally:
            progress.clear()
        yield opened
