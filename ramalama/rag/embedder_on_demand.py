"""An embedding model that starts when the first text comes; often nothing has changed."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from ramalama.rag.values import Embedder, EmbedderInfo


class EmbedderOnDemand:
    """Meets `Embedder` for a model that is known; a context manager that closes it.

    *open_model* opens the model, whose information is *info*. *limit* is at most that of the model.
    """

    def __init__(
        self,
        info: EmbedderInfo,
        limit: int,
        open_model: Callable[[], AbstractContextManager[Embedder]],
    ) -> None:
        self.info = info
        self.limit = limit
        self._open = open_model
        self._stack = ExitStack()
        self._opened: Embedder | None = None

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text; see `Embedder`."""
        return self._model().count(texts)

    def embed(self, texts: Sequence[str]) -> list[array[float] | None]:
        """Return the vectors of texts of documents; see `Embedder`."""
        return self._model().embed(texts)

    def embed_question(self, question: str) -> array[float]:
        """Return the vector of a question; see `Embedder`."""
        return self._model().embed_question(question)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._opened = None
        self._stack.close()

    def _model(self) -> Embedder:
        if self._opened is None:
            self._opened = self._stack.enter_context(self._open())
        return self._opened
