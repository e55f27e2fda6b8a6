"""Send one streamed request of the chat API, and read its events.

The request goes through the SDK's `client.post`, not through `client.chat.completions`, and its
events are read by `ramalama_chat.client.events`. The SDK bounds no event, and drops the words of
a server that fails. Its models do not check what a server sends, so that must be done here anyway;
and they cost 30 ms at import and 60 µs for each token.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.events import EventReader
from ramalama_chat.client.failures import opening_errors
from ramalama_chat.client.requests import (
    post,
    post_async,
    send_patiently,
    send_patiently_async,
)
from ramalama_chat.errors import ChatError
from ramalama_values.json import is_array, is_count, is_object
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from ramalama_chat.session.ending import Usage

LONGEST_TEXT = 4 * 1024 * 1024
"""Characters of an answer with its reasoning: about a million tokens, as much as any context."""

# Not part of the OpenAI API: llama-server and most others send the first, newer vLLM the second.
_REASONING = "reasoning_content"
_NEWER_REASONING = "reasoning"

_LONG_PROMPT = 512  # tokens
_PATH = "/chat/completions"


class Delta(NamedTuple):
    """What one event adds to the answer, to the reasoning, and to what is known about both."""

    text: str = ""
    reasoning: str = ""
    reasoning_member: str = _REASONING
    """The server's name for its reasoning; it expects this name if the reasoning is sent back."""
    finish_reason: str | None = None
    usage: "Usage | None" = None
    tool_calls: object = None
    """The calls of tools, as the server sent them (see `ramalama_chat.tools.calls`)."""
    progress: float | None = None
    """How much of the prompt is processed, from 0 to 1; see `ChatSession.shows_progress`."""


def open_stream(
    client: openai.OpenAI,
    body: Mapping[str, object],
    *,
    on_loading: Callable[[], None],
    limit: float | None = None,
) -> httpx2.Response:
    """Send the request *body*, and return the response once the server has accepted it.

    If the server refuses the connection, is busy or still loads its model, the request is sent
    again; see `send_patiently`, also for *on_loading* and *limit*.
    """

    def send() -> httpx2.Response:
        with opening_errors():
            return post(client, _PATH, body, timeout=shortened(client.timeout, limit))

    return send_patiently(send, on_loading, limit=limit)


async def open_stream_async(
    client: openai.AsyncOpenAI,
    body: Mapping[str, object],
    *,
    on_loading: Callable[[], None],
    limit: float | None = None,
) -> httpx2.Response:
    """Do the same as `open_stream`, with an asynchronous client."""

    async def send() -> httpx2.Response:
        with opening_errors():
            return await post_async(client, _PATH, body)

    return await send_patiently_async(send, on_loading, limit=limit)


def shortened(timeout: float | httpx2.Timeout | None, limit: float | None) -> httpx2.Timeout | None:
    """Return *timeout* with no part of it longer than *limit*; None if there is no limit."""
    if limit is None:
        return None
    whole = httpx2.Timeout(timeout)
    parts = (whole.connect, whole.read, whole.write, whole.pool)
    connect, read, write, pool = (limit if part is None else min(part, limit) for part in parts)
    return httpx2.Timeout(connect=connect, read=read, write=write, pool=pool)


class DeltaReader:
    """Takes the pieces of an answer's body, and gives what each event adds.

    Raises:
        ChatError: the answer is longer than `LONGEST_TEXT`; see `EventReader` and `read_delta` for
            others.

    """

    def __init__(self) -> None:
        self._events = EventReader()
        self._length = 0

    @property
    def done(self) -> bool:
        """Whether the last event has come: what follows is not read."""
        return self._events.done

    def feed(self, piece: bytes) -> Iterator[Delta]:
        """Yield a delta for each event that *piece* completes."""
        return self._deltas(self._events.feed(piece))

    def end(self) -> Iterator[Delta]:
        """Yield what was left when the body ended."""
        return self._deltas(self._events.end())

    def _deltas(self, events: Iterable[object]) -> Iterator[Delta]:
        for event in events:
            delta = read_delta(event)
            self._length += len(delta.text) + len(delta.reasoning)
            if self._length > LONGEST_TEXT:
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
        progress=_progress(event),
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
    from ramalama_chat.session.ending import read_usage  # noqa: PLC0415 - most answers come without

    return read_usage(event)


def _progress(event: object) -> float | None:
    """Read llama-server's "prompt_progress"; a short prompt is processed before it can be read."""
    found = event.get("prompt_progress") if is_object(event) else None
    if not is_object(found):
        return None
    total, processed = found.get("total"), found.get("processed")
    if not is_count(total) or not is_count(processed) or total < _LONG_PROMPT:
        return None
    return min(processed / total, 1.0)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    msg = f"the server sent {type(value).__name__} where text is expected"
    raise ChatError(msg)
