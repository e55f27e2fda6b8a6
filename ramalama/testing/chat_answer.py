"""A reply as the OpenAI API sends it: as one object, or as events."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING, Final

from ramalama.testing.socket_server import ClientLeft, HttpReply, HungUp
from ramalama.testing.values import text_of, words_of
from ramalama_values.json import is_object

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from ramalama.testing.socket_server import Client
    from ramalama.testing.values import Question, Reply

_EVENTS: Final = "text/event-stream"
_CREATED: Final = 1_700_000_000  # the same in every run, so that no test depends on the clock
_MILLISECONDS: Final = 1.0  # for each token, made up


def send(reply: Reply, question: Question, model: str, client: Client) -> HttpReply:
    """Return *reply* as HTTP; wait and hang up as it says."""
    try:
        sent = _begin(reply, question, model, client)
    except BaseException:
        question.in_progress = False
        raise
    question.in_progress = not isinstance(sent.body, bytes)
    return sent


def _begin(reply: Reply, question: Question, model: str, client: Client) -> HttpReply:
    try:
        client.wait(reply.delay)
    except ClientLeft:
        question.cancelled = True
        raise
    if reply.dies_after == 0 or (reply.dies_after is not None and not question.streamed):
        raise HungUp
    if reply.fails:
        return HttpReply.of_json({"error": reply.error}, status=reply.status)
    if question.streamed:
        events = _stream(reply, question, model, client)
        return HttpReply(content_type=_EVENTS, body=events)
    return HttpReply.of_json(_whole(reply, question, model))


def count_tokens(text: str) -> int:
    """Return the number of tokens of *text*: a fake server has one for each word."""
    return len(text.split())


def prompt_tokens(question: Question) -> int:
    """Return the number of tokens of the whole conversation."""
    return sum(count_tokens(text_of(each.get("content"))) for each in question.messages)


def _whole(reply: Reply, question: Question, model: str) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": reply.text}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.calls:
        message["tool_calls"] = list(_calls(reply))
    choice = {"index": 0, "message": message, "finish_reason": reply.ending}
    return {**_head("chat.completion", model), "choices": [choice], **_counts(reply, question)}


def _stream(reply: Reply, question: Question, model: str, client: Client) -> Generator[bytes]:
    words = list(_deltas(reply))
    last = None if reply.dies_after is None else min(reply.dies_after, len(words))
    try:
        for number, event in enumerate(_events(words, reply, question, model)):
            _die_if(number == last)
            if number:
                client.wait(reply.pace)
            yield event
    except (ClientLeft, GeneratorExit):
        question.cancelled = True
        raise
    finally:
        question.in_progress = False


def _die_if(now: bool) -> None:  # noqa: FBT001 (a condition)
    if now:
        raise HungUp


def _events(
    words: Sequence[Mapping[str, object]], reply: Reply, question: Question, model: str
) -> Iterator[bytes]:
    for delta in words:
        yield _event(_chunk(model, delta))
    ending = _chunk(model, {}, finish=reply.ending)
    yield _event({**ending, "timings": _timings(reply, question)})
    if _wants_usage(question):
        counts = _counts(reply, question)
        yield _event({**_head("chat.completion.chunk", model), "choices": [], **counts})
    yield b"data: [DONE]\n\n"


def _deltas(reply: Reply) -> Iterator[dict[str, object]]:
    for word in words_of(reply.reasoning):
        yield {"reasoning_content": word}
    for word in words_of(reply.text):
        yield {"content": word}
    for index, call in enumerate(_calls(reply)):
        yield {"tool_calls": [{"index": index, **call}]}


def _calls(reply: Reply) -> Iterator[dict[str, object]]:
    for number, (name, arguments) in enumerate(reply.calls, 1):
        function = {"name": name, "arguments": dumps(arguments)}
        yield {"id": f"call-{number}", "type": "function", "function": function}


def _head(kind: str, model: str) -> dict[str, object]:
    return {"id": "fake", "object": kind, "created": _CREATED, "model": model}


def _chunk(
    model: str, delta: Mapping[str, object], *, finish: str | None = None
) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**_head("chat.completion.chunk", model), "choices": [choice]}


def _event(value: object) -> bytes:
    return f"data: {dumps(value)}\n\n".encode()


def _wants_usage(question: Question) -> bool:
    options = question.body.get("stream_options")
    return is_object(options) and options.get("include_usage") is True


def _counts(reply: Reply, question: Question) -> dict[str, object]:
    timings = _timings(reply, question)
    prompt, completion = int(timings["prompt_n"]), int(timings["predicted_n"])
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return {"usage": usage, "timings": timings}


def _timings(reply: Reply, question: Question) -> dict[str, float]:
    """Return llama-server's "timings", with made-up times."""
    prompt = prompt_tokens(question)
    predicted = count_tokens(reply.reasoning) + count_tokens(reply.text)
    return {
        "prompt_n": prompt,
        "prompt_ms": prompt * _MILLISECONDS,
        "predicted_n": predicted,
        "predicted_ms": predicted * _MILLISECONDS,
        "predicted_per_second": 1000.0 / _MILLISECONDS,
    }
