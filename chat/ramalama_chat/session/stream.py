"""The chat API as it goes over the wire: one streamed request, its events and its failures.

The request goes through the SDK's `client.post`, not through `client.chat.completions`. It is the
same request and the same stream, but the events stay plain JSON: the SDK's models check nothing
of what a server sends, so we have to look anyway, and they take 30 ms to import and 60 µs a token.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.failures import opening_errors
from ramalama_chat.errors import ChatError
from ramalama_values.json import is_array, is_object
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from ramalama_chat.session.usage import Usage

_NOT_NOW = frozenset({429, 503})  # too many requests; service unavailable

# Beyond the API: llama-server and most others say the first, newer vLLM the second.
_REASONING = "reasoning_content"
_NEWER_REASONING = "reasoning"


@dataclass(frozen=True, slots=True)
class Delta:
    """What one event adds: to the answer, to the reasoning before it, why it ended, its cost."""

    text: str = ""
    reasoning: str = ""
    reasoning_member: str = _REASONING
    """What the server calls its reasoning, and wants it to be called if it gets it back."""
    finish_reason: str | None = None
    usage: "Usage | None" = None
    tool_calls: object = None
    """What the model calls, as the server sent it (see `ramalama_chat.tools.calls`)."""


def open_stream(
    client: openai.OpenAI,
    *,
    model: str,
    messages: Sequence[Mapping[str, object]],
    extra: Mapping[str, object],
) -> openai.Stream[object]:
    """Send the request and return the stream of its events once the server has accepted it.

    *extra* are further members of the request: "temperature", "response_format" and the like.

    A server that refuses the connection, or is still busy with its model, is asked again a few
    times within about a second. It has not begun to answer then, so nothing is asked twice.
    """
    body = {**extra, "model": model, "messages": list(messages), "stream": True}

    def send() -> openai.Stream[object]:
        with opening_errors():
            return client.post(
                "/chat/completions",
                cast_to=object,
                body=body,
                stream=True,
                stream_cls=openai.Stream[object],
            )

    try:
        return send()
    except openai.APIError as exc:
        if not _may_pass(exc):
            raise
    return _send_again(send)


def _send_again(send: Callable[[], openai.Stream[object]]) -> openai.Stream[object]:
    # Needed as good as never: its import is left out of the ordinary start.
    from tenacity import (  # noqa: PLC0415
        Retrying,
        retry_if_exception,
        stop_after_attempt,
        wait_exponential,
    )

    retrying = Retrying(
        retry=retry_if_exception(_may_pass),
        wait=wait_exponential(multiplier=0.1, max=0.5),
        stop=stop_after_attempt(4),
        reraise=True,
    )
    return retrying(send)


def _may_pass(exc: BaseException) -> bool:
    """Tell whether the server did not even begin with the request, and may do so soon."""
    if isinstance(exc, openai.APIStatusError):
        return exc.status_code in _NOT_NOW
    return isinstance(exc.__cause__, httpx2.ConnectError)


def read_delta(event: object) -> Delta:
    """Read one event of the stream, the object "chat.completion.chunk" of the OpenAI API.

    What is absent or null adds nothing: vLLM sends a last event without choices, llama-server a
    first one without content.

    Raises:
        ChatError: the event is something else.

    """
    if is_object(event) and is_array(choices := event.get("choices")):
        if not choices:
            return Delta(usage=_usage(event))
        if is_object(choice := choices[0]) and is_object(delta := choice.get("delta")):
            newer = delta.get(_NEWER_REASONING) and not delta.get(_REASONING)
            member = _NEWER_REASONING if newer else _REASONING
            return Delta(
                text=_text(delta.get("content")),
                reasoning=_text(delta.get(member)),
                reasoning_member=member,
                finish_reason=_text(choice.get("finish_reason")) or None,
                tool_calls=delta.get("tool_calls"),
            )
    msg = f"the server sent what is no part of a chat answer: {one_line(repr(event))}"
    raise ChatError(msg)


def _usage(event: Mapping[str, object]) -> "Usage | None":
    """Read what the answer took, if somebody has asked for that."""
    if event.get("usage") is None:
        return None
    from ramalama_chat.session.usage import read_usage  # noqa: PLC0415 - most answers come without

    return read_usage(event)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    msg = f"the server sent {type(value).__name__} where text belongs"
    raise ChatError(msg)
