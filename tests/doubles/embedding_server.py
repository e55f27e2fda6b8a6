"""A server of embeddings that says what it is told to, honest or not; a word is a token."""

from __future__ import annotations

import base64
import json
import threading
import time
from array import array
from typing import TYPE_CHECKING, Any, Literal

from tests.doubles.server import FileServer, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.doubles.server import Request

    Answer = Callable[[Sequence[str]], Reply | None]

MODEL = "tiny-embedder"


class EmbeddingServer(FileServer):
    """Makes vectors of three numbers: of a text's length, its first letter, and 1.

    *kind* is the program that it stands for; any other one has only what OpenAI has. It refuses a
    request with a text of more than *limit* words, with the two at its ends. *instead* may answer a
    request for some texts in its place. *delay* is in seconds, for each request.

    Attributes:
        most_at_once: the largest number of requests that were there at the same time.
    """

    def __init__(
        self,
        kind: Literal["llama.cpp", "vllm", "other"] = "llama.cpp",
        *,
        limit: int = 32,
        instead: Answer = lambda _: None,
        delay: float = 0.0,
    ) -> None:
        self.most_at_once = 0
        self._limit = limit
        self._instead = instead
        self._delay = delay
        self._lock = threading.Lock()
        self._now = 0
        super().__init__({"/v1/embeddings": self._embed, "/v1/models": self._models})
        self._kind = kind
        if kind != "other":
            self.routes["/tokenize"] = self._tokenize
        if kind == "llama.cpp":
            self.routes["/props"] = lambda _: Reply.of_json({"total_slots": 2})

    @property
    def batches(self) -> list[list[str]]:
        """The texts of each request, after the first, which only asks for the dimension."""
        return [json.loads(asked.body)["input"] for asked in self.asked("/v1/embeddings")[1:]]

    def _models(self, _: Request) -> Reply:
        entry: dict[str, object] = {"id": MODEL}
        if self._kind == "llama.cpp":
            entry["meta"] = {"n_ctx": self._limit, "n_ctx_train": 2 * self._limit}
        elif self._kind == "vllm":
            entry["max_model_len"] = self._limit
        return Reply.of_json({"data": [entry]})

    def _tokenize(self, request: Request) -> Reply:
        asked: dict[str, Any] = json.loads(request.body)
        if self._kind == "vllm":
            if "prompt" not in asked:
                return Reply.of_json({"error": "no prompt"}, status=400)
            return Reply.of_json({"count": len(asked["prompt"].split())})
        content: str | list[str | int] = asked["content"]
        tokens: list[int] = []
        for part in [content] if isinstance(content, str) else content:
            tokens += [part] if isinstance(part, int) else [7] * len(part.split())
        ends = [1, 2] if asked.get("add_special") else []
        return Reply.of_json({"tokens": [*tokens, *ends]})

    def _embed(self, request: Request) -> Reply:
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            time.sleep(self._delay)
            return self._answer(json.loads(request.body))
        finally:
            with self._lock:
                self._now -= 1

    def _answer(self, asked: dict[str, list[str]]) -> Reply:
        texts = asked["input"]
        instead = self._instead(texts)
        if instead is not None:
            return instead
        if any(len(text.split()) + 2 > self._limit for text in texts):
            return refusal(500, "input (600 tokens) is too large to process")
        return vectors([vector_of(text) for text in texts], as_text="encoding_format" in asked)


def vector_of(text: str) -> list[float]:
    """Return the vector of a text, before it gets the length 1."""
    return [float(len(text)), float(ord(text[:1] or " ")), 1.0]


def vectors(values: Sequence[Sequence[float]], *, as_text: bool = True) -> Reply:
    """Answer with these vectors, in the reverse order, since each has its number."""
    data: list[object] = []
    for number, value in reversed(list(enumerate(values))):
        content = base64.b64encode(array("f", value).tobytes()).decode() if as_text else value
        data.append({"object": "embedding", "index": number, "embedding": content})
    return Reply.of_json({"object": "list", "data": data})


def refusal(status: int, message: str) -> Reply:
    """Refuse a request as llama-server does."""
    return Reply.of_json({"error": {"code": status, "message": message}}, status=status)
