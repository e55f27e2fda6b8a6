"""A server of the OpenAI API that says what it is told to, honest or not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.doubles.server import FileServer, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.doubles.server import Request

MODEL = "tiny"
_STREAM = {"content-type": "text/event-stream"}


def sse(*events: object) -> bytes:
    """Write *events* as a server sends them: bytes as they are, all else as JSON."""
    return b"".join(
        event if isinstance(event, bytes) else f"data: {json.dumps(event)}\n\n".encode()
        for event in events
    )


def said(text: str | None, *, finish: str | None = None, **delta: object) -> dict[str, object]:
    """Make the event that adds *text* to the answer."""
    content = {} if text is None else {"content": text}
    return {"choices": [{"index": 0, "delta": {**content, **delta}, "finish_reason": finish}]}


def answer(*texts: str, usage: tuple[int, int] | None = None, finish: str = "stop") -> Reply:
    """Say *texts*, and what that took: tokens of the prompt, and of the answer."""
    events: list[object] = [*(said(text) for text in texts), said(None, finish=finish)]
    if usage is not None:
        prompt, completion = usage
        tokens = {"prompt_tokens": prompt, "completion_tokens": completion}
        events.append({"choices": [], "usage": tokens})
    return Reply(headers=_STREAM, body=sse(*events, b"data: [DONE]\n\n"), chunked=True)


def tool_call(name: str, **arguments: object) -> Reply:
    """Call the tool *name*, in two pieces."""
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": name}}
    second = {"index": 0, "function": {"arguments": json.dumps(arguments)}}
    return streamed(
        said(None, tool_calls=[first]),
        said(None, tool_calls=[second]),
        said(None, finish="tool_calls"),
    )


def streamed(*events: object, cut: bool = False, stall: bool = False) -> Reply:
    """Send *events* as they are; then hang up, or say nothing more, if so told."""
    body = sse(*events)
    return Reply(
        headers=_STREAM,
        body=body,
        chunked=True,
        cut_after=len(body) if cut else None,
        stall_after=len(body) if stall else None,
    )


class OpenAiServer(FileServer):
    """Gives *replies*, one a question, and lists *models* with a context of *context* tokens."""

    def __init__(
        self, *replies: Reply, models: Sequence[str] = (MODEL,), context: int | None = None
    ) -> None:
        self._replies = list(replies)
        listed = [{"id": name, "max_model_len": context} for name in models]
        super().__init__(
            {
                "/v1/models": lambda _: Reply.of_json({"object": "list", "data": listed}),
                "/v1/chat/completions": self._next,
            }
        )

    @property
    def questions(self) -> list[dict[str, object]]:
        """The bodies of the questions that were asked."""
        return [json.loads(asked.body) for asked in self.asked("/v1/chat/completions")]

    def _next(self, _: Request) -> Reply:
        return self._replies.pop(0)
