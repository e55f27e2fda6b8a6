"""The questions that a served model answers for, in both colors."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import openai

    from ramalama.serving.queries.exchange import Query
    from ramalama.serving.queries.health import ServerHealth

T = TypeVar("T")


class QueryMethods:
    """The methods of `ServedModel` that ask its server something."""

    @property
    def model(self) -> str:
        """The name of the model in requests."""
        raise NotImplementedError

    def client(self) -> openai.OpenAI:
        """Return an OpenAI client for the server."""
        raise NotImplementedError

    def async_client(self) -> openai.AsyncOpenAI:
        """Return an asynchronous client for the running event loop."""
        raise NotImplementedError

    def embed(self, texts: Sequence[str], *, timeout: float | None = None) -> list[list[float]]:
        """Return the vectors of *texts*; the server must have been started with ``embeddings``.

        *timeout* is in seconds for each request, which has up to 64 texts; None waits without
        limit.

        Raises:
            InputRefused: *texts* is no list of texts, but a single one, for example.
            ChatError: the server does not answer, or refuses a text, for example a long one.
            EmbeddingFailed: it answers with something else than the vectors of these texts.
        """
        return self._ask(_embeddings(self.model, texts, timeout))

    async def aembed(
        self,
        texts: Sequence[str],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 (as in `embed`)
    ) -> list[list[float]]:
        """Return the vectors of *texts*; see `embed`."""
        return await self._ask_async(_embeddings(self.model, texts, timeout))

    def count_tokens(self, content: str | Sequence[Mapping[str, object]]) -> int:
        """Return how many tokens a text has, or a prompt of messages as the model sees them.

        A text is counted without the tokens that mark its beginning and end.

        Raises:
            InputRefused: *content* is neither a text nor messages.
            ChatError: the server does not answer, or does not count.
        """
        return self._ask(_count(self.model, content))

    async def acount_tokens(self, content: str | Sequence[Mapping[str, object]]) -> int:
        """Return how many tokens a text or messages have; see `count_tokens`."""
        return await self._ask_async(_count(self.model, content))

    def health(self, *, timeout: float = 5.0) -> ServerHealth:
        """Ask the server how it is, for *timeout* seconds at most; a dead one is not ready."""
        return self._ask(self._health(timeout))

    async def ahealth(
        self,
        *,
        timeout: float = 5.0,  # noqa: ASYNC109 (as in `health`)
    ) -> ServerHealth:
        """Ask the server how it is; see `health`."""
        return await self._ask_async(self._health(timeout))

    def metrics(self, *, timeout: float = 5.0) -> Mapping[str, float]:
        """Return the server's own metrics by their names; empty if it has none.

        They are those that it offers to Prometheus, such as ``llamacpp:tokens_predicted_total``;
        *timeout* is in seconds. Samples of one name with several labels are added, and the buckets
        of histograms are left out.

        Raises:
            ChatError: the server does not answer.
        """
        return self._ask(_metrics(timeout))

    async def ametrics(
        self,
        *,
        timeout: float = 5.0,  # noqa: ASYNC109 (as in `metrics`)
    ) -> Mapping[str, float]:
        """Return the server's own metrics; see `metrics`."""
        return await self._ask_async(_metrics(timeout))

    def _health(self, timeout: float) -> Query[ServerHealth]:
        from ramalama.serving.queries.health import ask_health  # noqa: PLC0415 (imports openai)

        return ask_health(self._health_path, timeout=timeout, restarts=self._count_restarts())

    @property
    def _health_path(self) -> str:
        return "/health"

    def _count_restarts(self) -> int | None:
        """Return how often the server was started again; None if that is not known here."""
        return None

    def _ask(self, query: Query[T]) -> T:
        from ramalama.serving.queries.exchange import carry_out  # noqa: PLC0415 (imports openai)

        return carry_out(self.client(), query)

    async def _ask_async(self, query: Query[T]) -> T:
        from ramalama.serving.queries.exchange import (  # noqa: PLC0415 (imports openai)
            carry_out_async,
        )

        return await carry_out_async(self.async_client(), query)


# Each imports its query late, since openai is slow to import.


def _embeddings(
    model: str, texts: Sequence[str], timeout: float | None
) -> Query[list[list[float]]]:
    from ramalama.serving.queries.embeddings import ask_vectors  # noqa: PLC0415 (see above)

    return ask_vectors(model, texts, timeout=timeout)


def _count(model: str, content: str | Sequence[Mapping[str, object]]) -> Query[int]:
    from ramalama.serving.queries.tokens import ask_count  # noqa: PLC0415 (see above)

    return ask_count(model, content)


def _metrics(timeout: float) -> Query[Mapping[str, float]]:
    from ramalama.serving.queries.metrics import ask_metrics  # noqa: PLC0415 (see above)

    return ask_metrics(timeout=timeout)
