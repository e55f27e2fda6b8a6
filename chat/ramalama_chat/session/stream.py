"""Send one streamed request of the chat API, and read its events.

The request goes through the SDK's `client.post`, not through `client.chat.completions`, and the
events are read by `ramalama_chat.client.events`. The SDK bounds no event, and drops the words of a
server that fails. Its models do not check what a server sends, so that must be done here anyway;
and they cost 30 ms at import and 60 µs for each token.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.events import read_events
from ramalama_chat.client.failures import opening_errors
from ramalama_chat.client.requests import post
from ramalama_chat.errors import ChatError
from ramalama_values.json import is_array, is_object
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from ramalama_chat.session.usage import Usage

LONGEST_TEXT = 4 * 1024 * 1024
"""Characters of an answer with its reasoning: about a million tokens, as much as any context."""

_NOT_NOW = frozenset({429, 503})  # too many requests; service unavailable

# Not part of the OpenAI API: llama-server and most others send the first, newer vLLM the second.
_REASONING = "reasoning_content"
_NEWER_REASONING = "reasoning"


@dataclass(frozen=True, slots=True)
class Delta:
    """What one event adds to the answer, to the reasoning, and to what is known about both."""

    text: str = ""
    reasoning: str = ""
    reasoning_member: str = _REASONING
    """The server's name for its reasoning; it expects this name if the reasoning is sent back."""
    finish_reason: str | None = None
    usage: "Usage | None" = None
    tool_calls: object = None
    """The calls of tools, as the server sent them (see `ramalama_chat.tools.calls`)."""


def open_stream(
    client: openai.OpenAI,
    *,
    model: str,
    messages: Sequence[Mapping[str, object]],
    extra: Mapping[str, object],
) -> Generator[object, None, None]:
    """Send the request, and return its events once the server has accepted it; close them.

    *extra* holds additional members of the request, such as "temperature" and "response_format".

    If the server refuses the connection or is still loading its model, the request is sent again,
    up to three times within about a second. The server has not begun to answer then, so no request
    is answered twice.
    """
    body = {**extra, "model": model, "messages": list(messages), "stream": True}

    def send() -> Generator[object, None, None]:
        with opening_errors():
            return read_events(post(client, "/chat/completions", body))

    try:
        return send()
    except openai.APIError as exc:
        if not _is_transient(exc):
            raise
    return _send_again(send)


def _send_again(send: Callable[[], Generator[object, None, None]]) -> Generator[object, None, None]:
    # Rarely needed, so it is not imported at start-up.
    from tenacity import (  # noqa: PLC0415
        Retrying,
        retry_if_exception,
        stop_after_attempt,
        wait_exponential,
    )

    retrying = Retrying(
        retry=retry_if_exception(_is_transient),
        wait=wait_exponential(multiplier=0.1, max=0.5),
        stop=stop_after_attempt(4),
        reraise=True,
    )
    return retrying(send)


def _is_transient(exc: BaseException) -> bool:
    """Return whether the server has not begun with the request, but may accept it soon."""
    if isinstance(exc, openai.APIStatusError):
        return exc.status_code in _NOT_NOW
    return isinstance(exc.__cause__, httpx2.ConnectError)


def read_deltas(events: Iterable[object]) -> Iterator[Delta]:
    """Read the events of an answer.

    Raises:
        ChatError: the answer is longer than `LONGEST_TEXT`; see `read_delta` for others.

    """
    length = 0
    for event in events:
        delta = read_delta(event)
        length += len(delta.text) + len(delta.reasoning)
        if length > LONGEST_TEXT:
            msg = f"the server sent an answer of more than {LONGEST_TEXT:,} characters"
            raise ChatError(msg)
        yield delta


def read_delta(event: object) -> Delta:
    """Read one event of the stream, the object "chat.completion.chunk" of the OpenAI API.

    Members that are absent or null add nothing: vLLM sends a last event without choices,
    llama-server a first one without content, others null for either. The object "chat.completion"
    of a server that does not stream has "message" in place of "delta", and is complete.

    Raises:
        ChatError: the event is something else.

    """
    choice = _choice(event)
    whole = choice.get("message")
    delta: object = whole or choice.get("delta") or dict[str, object]()
    if not is_object(delta):
        _refuse(event)
    newer = delta.get(_NEWER_REASONING) and not delta.get(_REASONING)
    member = _NEWER_REASONING if newer else _REASONING
    return Delta(
        text=_text(delta.get("content")),
        reasoning=_text(delta.get(member)),
        reasoning_member=member,
        finish_reason=_text(choice.get("finish_reason")) or ("stop" if whole else None),
        usage=_usage(event),
        tool_calls=delta.get("tool_calls"),
    )


def _choice(event: object) -> Mapping[str, object]:
    """Return the first of the event's choices; an empty one if there is none."""
    if is_object(event) and "choices" in event:
        choices: object = event["choices"] or [dict[str, object]()]
        if is_array(choices) and is_object(choice := choices[0]):
            return choice
    return _refuse(event)


def _refuse(event: object) -> NoReturn:
    msg = f"the server sent something that is not part of a chat answer: {one_line(repr(event))}"
    raise ChatError(msg)


def _usage(event: object) -> "Usage | None":
    """Read the token counts of the answer; None if the request did not ask for them."""
    if not is_object(event) or event.get("usage") is None:
        return None
    from ramalama_chat.session.usage import read_usage  # noqa: PLC0415 - most answers come without

    return read_usage(event)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    msg = f"the server sent {type(value).__name__} where text is expected"
    raise ChatError(msg)
