"""What a model server answers to a question: events, one object, a page, or anything else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx2

from ramalama_chat.client.bounds import bound
from ramalama_chat.client.failures import chat_errors
from ramalama_chat.errors import ChatError
from ramalama_chat.session.stream import Delta, DeltaReader
from ramalama_chat.tools.calls import CallReader
from tests.fuzz.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class _Pieces(httpx2.SyncByteStream):
    """A body that comes in pieces, the first of them short."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield from (self._content[:1], self._content[1:7], self._content[7:])


def answer_stream(data: bytes) -> None:
    """Read an answer; its errors are of one line."""
    headers = {"content-type": "text/event-stream"} if data[:1] != b"{" else {}
    response = httpx2.Response(200, headers=headers, stream=_Pieces(data))
    response.request = httpx2.Request("POST", "http://x")
    bound(response)
    calls = CallReader()
    try:
        with chat_errors():
            for delta in _deltas(response):
                assert isinstance(delta.text + delta.reasoning, str)
                assert delta.progress is None or 0 <= delta.progress <= 1
                calls.feed(delta.tool_calls)
            assert all(call.id for call in calls.calls())
    except ChatError as exc:
        _check_line(str(exc))


def _deltas(response: httpx2.Response) -> Iterator[Delta]:
    reader = DeltaReader()
    for piece in response.iter_raw():
        yield from reader.feed(piece)
    yield from reader.end()


def _check_line(text: str) -> None:
    assert "\n" not in text


def seeds() -> tuple[bytes, ...]:
    """Return an answer of each kind."""
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    delta = {"content": "a", "reasoning_content": "b", "tool_calls": [call]}
    event = {
        "choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        "timings": {"prompt_ms": 1.5},
        "prompt_progress": {"total": 600, "cache": 0, "processed": 512},
    }
    whole = {"choices": [{"message": delta, "finish_reason": None}]}
    line = json.dumps(event).encode()
    return (
        b": x\r\n\r\ndata: " + line + b"\r\n\r\ndata: [DONE]\r\n\r\n",
        b"event: message\nid: 1\nretry: 1\ndata: " + line.replace(b", ", b",\ndata: ") + b"\n\n",
        b'data: {"choices": null}\r\rdata: {"error": {"message": "x", "code": 1}}\r\r',
        b'event: error\ndata: {"detail": [{"msg": "x"}]}\n\n',
        b'error: {"n_ctx": 1, "n_prompt_tokens": 2}\n\n',
        b"\xef\xbb\xbf" + json.dumps(whole).encode(),
        b"<html><title>x</title></html>",
        b"Internal Server Error",
    )


TARGETS: Mapping[str, Target] = {"answer": Target(run=answer_stream, seeds=seeds, has_json=True)}
