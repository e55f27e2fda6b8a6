"""Turn texts into vectors with a server of the OpenAI API: llama-server, vLLM, or another one.

Texts go to the server in batches, several of which are on their way at a time, so that none of its
slots waits for work. A server refuses a batch because of one of its texts, for example because that
is too long: then each text is sent alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from ramalama.errors import EmbeddingFailed
from ramalama.rag.embedding_answers import read_vectors
from ramalama.rag.token_counts import TokenCounter
from ramalama_chat.client.context_size import find_model
from ramalama_chat.client.failures import answer_errors, opening_errors
from ramalama_chat.client.requests import get_json, post, read_whole, send_patiently
from ramalama_chat.errors import ChatError, RequestFailed
from ramalama_values.json import is_count, is_object, parse_json

if TYPE_CHECKING:
    from array import array
    from collections.abc import Generator, Mapping, Sequence

    import httpx2
    import openai

    from ramalama.rag.values import EmbedderInfo

_BATCH = 16  # texts of a request
_MOST_SLOTS = 8  # requests at a time
_USUAL_SLOTS = 4  # of a server that does not say it
_USUAL_LIMIT = 512  # tokens, likewise
_RESERVE = 4  # tokens: a text and its prefix may be cut otherwise together than each alone
_LONGEST_ANSWER = 16 * 1024 * 1024  # bytes; 16 vectors of 8192 numbers, in digits, have 3 million
_QUICK = 5.0  # seconds
_PATIENCE = 60.0  # likewise; a server that is stopped must not stop all questions
_OF_BATCH = 10  # times as long
_FOR_NO_TEXT = frozenset({401, 403, 404, 405, 501})  # statuses that have nothing to do with a text
_PROBE = "a"
_SHORTEST = 16  # characters


class ServerEmbedder:
    """Turns texts into vectors with a server; meets `ramalama.rag.values.Embedder`.

    It may be used from any thread. A context manager that calls `close` at its end.

    Attributes:
        client: the client of the server.
        model: the name in requests.
        slots: how many requests are sent at the same time.
    """

    def __init__(
        self,
        client: openai.OpenAI,
        *,
        model: str,
        identity: EmbedderInfo,
        limit: int | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        """Ask the server for its properties; *client* stays open at the end.

        *model* is the name in requests. The dimension in *identity* is replaced by that of the
        server's vectors. *limit* is the longest text, in tokens with all that is added to it; None
        asks the server. *patience* is the longest time for an answer, in seconds; that to a batch
        of texts may take ten times as long.

        Raises:
            EmbeddingFailed: the server does not answer, or makes no embeddings.
        """
        self.client = client
        self.model = model
        self._patience = patience
        with _failures():
            (vector,) = self._request([_PROBE])
        if vector is None:
            raise _without_direction(model)
        self._info = replace(identity, dimension=len(vector))
        self._counter = TokenCounter(self._ask, model)
        self._limit = self._find_limit(limit)
        self.slots = self._ask_slots()
        self._pool = ThreadPoolExecutor(self.slots, thread_name_prefix="ramalama-embed")

    @property
    def info(self) -> EmbedderInfo:
        """Which model it is."""
        return self._info

    @property
    def limit(self) -> int:
        """The largest number of tokens of a text, without the prefix."""
        return self._limit

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text; see `Embedder`."""
        return self._counter.count(texts)

    def embed(self, texts: Sequence[str]) -> list[array[float] | None]:
        """Return the vectors of the texts of documents; see `Embedder`."""
        prefixed = [self._info.document_prefix + _encodable(text) for text in texts]
        batches = [prefixed[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
        vectors: list[array[float] | None] = []
        for some in self._pool.map(self._embed, batches):
            vectors += some
        return vectors

    def embed_question(self, question: str) -> array[float]:
        """Return the vector of a question; see `Embedder`."""
        text = self._info.query_prefix + self._shortened(_encodable(question))
        (vector,) = self._embed([text])
        if vector is None:
            raise _without_direction(self.model)
        return vector

    def close(self) -> None:
        """End the threads that wait for the server; further calls do nothing."""
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _embed(self, texts: Sequence[str]) -> list[array[float] | None]:
        """Embed a batch; if the server refuses it, embed each of its texts alone."""
        with _failures():
            try:
                vectors = self._request(texts)
            except RequestFailed as exc:
                if exc.status in _FOR_NO_TEXT:
                    raise
                vectors = [self._embed_alone(text) for text in texts]
                if not any(vectors):
                    self._request([_PROBE])  # raises if it is not because of the texts
        if any(len(each) != self._info.dimension for each in vectors if each is not None):
            msg = f"{self.model} made vectors of another dimension than before"
            raise EmbeddingFailed(msg)
        return vectors

    def _embed_alone(self, text: str) -> array[float] | None:
        try:
            (vector,) = self._request([text])
        except RequestFailed as exc:
            if exc.status in _FOR_NO_TEXT:
                raise
            return None
        return vector

    def _request(self, texts: Sequence[str]) -> list[array[float] | None]:
        body = {"model": self.model, "input": texts, "encoding_format": "base64"}
        longest = self._patience * (1 if len(texts) == 1 else _OF_BATCH)

        def send() -> httpx2.Response:
            with opening_errors():
                return post(self.client, "/embeddings", body, timeout=longest)

        with answer_errors(), closing(send_patiently(send, _wait_on)) as response:
            answer = self._read(response, longest)
        return read_vectors(answer, len(texts))

    def _shortened(self, text: str) -> str:
        """Return the beginning of *text*, as much as the model takes."""
        (tokens,) = self.count([text])
        while tokens > self._limit and len(text) > _SHORTEST:
            text = text[: max(len(text) * self._limit // tokens - 1, _SHORTEST)]
            (tokens,) = self.count([text])
        return text

    def _ask(self, path: str, body: Mapping[str, object]) -> object:
        """Send *body* to *path*, which is not below /v1; None if the server refuses it."""
        url = str(self.client.base_url.join(f"../{path}"))
        with _failures():
            try:
                with (
                    answer_errors(),
                    closing(post(self.client, url, body, timeout=self._patience)) as response,
                ):
                    return self._read(response, self._patience)
            except RequestFailed:
                return None

    @staticmethod
    def _read(response: httpx2.Response, longest: float) -> object:
        return parse_json(read_whole(response.iter_raw(), timeout=longest, limit=_LONGEST_ANSWER))

    def _find_limit(self, given: int | None) -> int:
        """Return the longest text, without its prefix and the tokens at its ends."""
        whole = given or self._limit_of_server() or _USUAL_LIMIT
        prefixes = self.count([self._info.document_prefix, self._info.query_prefix])
        return max(whole - self._counter.ends() - max(prefixes) - _RESERVE, 1)

    def _limit_of_server(self) -> int | None:
        entry = self._entry()
        meta = entry.get("meta")
        found = [entry.get("max_model_len")]  # vLLM's
        if is_object(meta):
            found += [meta.get("n_ctx"), meta.get("n_ctx_train")]  # llama.cpp's
        return min((each for each in found if is_count(each) and each), default=None)

    def _entry(self) -> Mapping[str, object]:
        """Return what the server's list of models says of the model."""
        return find_model(self.client, self.model)

    def _ask_slots(self) -> int:
        """Return how many requests the server works on at the same time."""
        url = str(self.client.base_url.join("../props"))
        try:
            with answer_errors():
                props = get_json(self.client, url, timeout=_QUICK)
        except ChatError:
            return _USUAL_SLOTS
        slots = props.get("total_slots") if is_object(props) else None
        return min(max(slots, 1), _MOST_SLOTS) if is_count(slots) else _USUAL_SLOTS


@contextmanager
def _failures() -> Generator[None]:
    try:
        yield
    except ChatError as exc:
        msg = f"the embedding model failed: {exc.message}"
        raise EmbeddingFailed(msg, hint=exc.hint) from exc


def _without_direction(model: str) -> EmbeddingFailed:
    return EmbeddingFailed(f"{model} made a vector without a direction")


def _encodable(text: str) -> str:
    """Return *text* without halves of surrogate pairs, which JSON cannot carry."""
    return text.encode(errors="replace").decode()


def _wait_on() -> None:
    """Do nothing while the server loads its model."""
