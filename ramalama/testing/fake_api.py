"""The API of a fake server: which answer comes to which request."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from ramalama.testing.chat_answer import count_tokens, prompt_tokens, send
from ramalama.testing.socket_server import HttpReply
from ramalama.testing.values import Question, Reply, text_of
from ramalama_values.json import is_array, is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ramalama.testing.socket_server import Client, HttpRequest

_DIMENSIONS: Final = 64

Answers: TypeAlias = (
    str
    | Reply
    | Mapping[str, str | Reply]
    | Iterable[str | Reply]
    | Callable[[Question], str | Reply]
)


class FakeApi:
    """Answers requests as llama-server does, without a model.

    Attributes:
        questions: the requests for chat answers so far, in the order of their arrival.
    """

    def __init__(
        self,
        answers: Answers,
        *,
        model: str,
        context_size: int | None,
        embed: Callable[[str], Sequence[float]] | None,
    ) -> None:
        self.questions: list[Question] = []
        self._model = model
        self._context_size = context_size
        self._embed = embed or vector_of
        self._choose = _chooser(answers)
        self._choosing = threading.Lock()
        self._routes: Mapping[tuple[str, str], Callable[[object], HttpReply]] = {
            ("GET", "/health"): lambda _: HttpReply.of_json({"status": "ok"}),
            ("GET", "/v1/models"): self._models,
            ("GET", "/props"): self._props,
            ("GET", "/slots"): self._slots,
            ("GET", "/metrics"): self._metrics,
            ("POST", "/v1/embeddings"): self._embeddings,
            ("POST", "/tokenize"): _tokenize,
            ("POST", "/apply-template"): _apply_template,
        }

    def answer(self, request: HttpRequest, client: Client) -> HttpReply:
        """Return the reply to *request*."""
        path = request.path.partition("?")[0]
        try:
            asked: object = parse_json(request.body) if request.body else {}
        except ValueError as exc:
            return _refusal(400, f"the request {exc}")
        if (request.method, path) == ("POST", "/v1/chat/completions"):
            return self._chat(asked, client)
        if route := self._routes.get((request.method, path)):
            return route(asked)
        return _refusal(404, f"a fake server has no {request.method} {path}")

    def _chat(self, asked: object, client: Client) -> HttpReply:
        question = Question(body=asked if is_object(asked) else {})
        needed = prompt_tokens(question)
        with self._choosing:
            self.questions.append(question)
            if self._context_size is not None and needed > self._context_size:
                reply = Reply.too_long(needed=needed, held=self._context_size)
            else:
                chosen = self._choose(question)
                reply = Reply(chosen) if isinstance(chosen, str) else chosen
        return send(reply, question, self._model, client)

    def _models(self, _asked: object) -> HttpReply:
        size = self._context_size
        entry: dict[str, object] = {"id": self._model, "object": "model", "owned_by": "llamacpp"}
        if size is not None:
            entry["meta"] = {"n_ctx": size, "n_ctx_train": size}
        return HttpReply.of_json({"object": "list", "data": [entry]})

    def _props(self, _asked: object) -> HttpReply:
        return HttpReply.of_json(
            {
                "total_slots": 1,
                "modalities": {"vision": True},
                "chat_template_caps": {"supports_tools": True},
            }
        )

    def _busy(self) -> int:
        return sum(question.in_progress for question in self.questions)

    def _slots(self, _asked: object) -> HttpReply:
        busy = self._busy()
        slots = [{"id": number, "is_processing": number < busy} for number in range(busy or 1)]
        return HttpReply.of_json(slots)

    def _metrics(self, _asked: object) -> HttpReply:
        lines = f"llamacpp:requests_processing {self._busy()}\nllamacpp:requests_deferred 0\n"
        return HttpReply(content_type="text/plain; version=0.0.4", body=lines.encode())

    def _embeddings(self, asked: object) -> HttpReply:
        given = asked.get("input") if is_object(asked) else None
        texts = [text_of(each) for each in given] if is_array(given) else [text_of(given)]
        packed = is_object(asked) and asked.get("encoding_format") == "base64"
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _pack(vector) if packed else vector,
            }
            for index, vector in enumerate(list(self._embed(text)) for text in texts)
        ]
        tokens = sum(map(count_tokens, texts))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return HttpReply.of_json(
            {"object": "list", "model": self._model, "data": data, "usage": usage}
        )


def vector_of(text: str) -> Sequence[float]:
    """Return a vector of length 1 for *text*: the more words two texts share, the closer."""
    vector = [0.0] * _DIMENSIONS
    for word in text.lower().split() or [""]:
        digest = hashlib.sha256(word.encode()).digest()
        vector[int.from_bytes(digest[:4]) % _DIMENSIONS] += 1.0
    length = math.hypot(*vector)
    return [each / length for each in vector]


def _chooser(answers: Answers) -> Callable[[Question], str | Reply]:
    """Return what chooses the answer to a question."""
    if isinstance(answers, str | Reply):
        return lambda _: answers
    if callable(answers):
        return answers
    if isinstance(answers, Mapping):
        by_words = cast("Mapping[str, str | Reply]", answers)
        return lambda question: _matching(by_words, question.prompt)
    return _in_turn(iter(answers))


def _in_turn(answers: Iterator[str | Reply]) -> Callable[[Question], str | Reply]:
    def choose(question: Question) -> str | Reply:
        none_left = (
            f"all answers of the fake server are used up, and it is asked {question.prompt!r}"
        )
        return next(answers, Reply.failure(500, none_left))

    return choose


def _matching(answers: Mapping[str, str | Reply], prompt: str) -> str | Reply:
    for words, answer in answers.items():
        if words in prompt:
            return answer
    return Reply.failure(500, f"the fake server has no answer to {prompt!r}")


def _refusal(status: int, message: str) -> HttpReply:
    return HttpReply.of_json({"error": {"code": status, "message": message}}, status=status)


def _tokenize(asked: object) -> HttpReply:
    content = asked.get("content") if is_object(asked) else ""
    return HttpReply.of_json({"tokens": list(range(count_tokens(text_of(content))))})


def _apply_template(asked: object) -> HttpReply:
    question = Question(body=asked if is_object(asked) else {})
    lines = [text_of(each.get("content")) for each in question.messages]
    return HttpReply.of_json({"prompt": "\n".join(lines)})


def _pack(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
