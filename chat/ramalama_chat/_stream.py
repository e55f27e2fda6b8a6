"""The chat API as it goes over the wire: one streamed request, its events and its failures.

The request goes through the SDK's `client.post`, not through `client.chat.completions`. It is the
same request and the same stream, but the events stay plain JSON: the SDK's models check nothing
of what a server sends, so we have to look anyway, and they take 30 ms to import and 60 µs a token.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2

from ramalama_chat._openai import openai
from ramalama_chat.errors import ChatError, ContextExceeded, RequestFailed, ServerGone, one_line
from ramalama_chat.json_shape import is_array, is_count, is_object

if TYPE_CHECKING:
    from ramalama_chat.usage import Usage

_NOT_NOW = frozenset({429, 503})  # too many requests; service unavailable
_NO_HTTP = ("illegal ", "Receive buffer too long")  # how h11 begins what it says of other protocols
_NOT_YOU = frozenset({401, 403})  # unauthorized; forbidden

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
    from ramalama_chat.usage import read_usage  # noqa: PLC0415 - most answers come without

    return read_usage(event)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    msg = f"the server sent {type(value).__name__} where text belongs"
    raise ChatError(msg)


@contextmanager
def chat_errors() -> Generator[None]:
    """Turn whatever the SDK and its HTTP client raise into a ChatError."""
    try:
        yield
    except openai.APIStatusError as exc:
        raise _refusal(exc) from exc
    except openai.APIConnectionError as exc:
        raise ServerGone(_absence(exc)) from exc
    except openai.APIError as exc:  # an error that the server put into the stream
        msg = f"the server failed in the middle of its answer: {one_line(exc.message)}"
        raise RequestFailed(msg) from exc
    except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError) as exc:
        msg = f"the request failed: {one_line(str(exc))}"
        raise ChatError(msg) from exc
    except (ValueError, RecursionError) as exc:  # no JSON, no UTF-8, or JSON a mile deep
        msg = "the server sent what is no JSON"
        raise ChatError(msg) from exc


def _absence(exc: openai.APIConnectionError) -> str:
    match exc.__cause__:
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return f"the model server cannot be reached: {one_line(str(exc.__cause__))}"
        case httpx2.RemoteProtocolError() as cause if "without sending a response" in str(cause):
            return "the server hung up without an answer: is it a model server?"
        case httpx2.RemoteProtocolError() as cause if str(cause).startswith(_NO_HTTP):
            return "what answers sends no HTTP: is it a model server, and its URL's scheme right?"
        case httpx2.TimeoutException():
            return "the model server fell silent"
        case _:
            return "the model server went away in the middle of the answer"


def _refusal(exc: openai.APIStatusError) -> RequestFailed:
    # The body is the server's: "error" is already unwrapped by the SDK where it was there.
    answer: object = exc.body
    body: Mapping[str, object] = answer if is_object(answer) else {}
    held, needed = body.get("n_ctx"), body.get("n_prompt_tokens")
    if is_count(held) and is_count(needed):  # llama-server counts for us
        msg = f"the conversation takes {needed} tokens, and the model's context holds {held}"
        return ContextExceeded(msg, status=exc.status_code, needed=needed, held=held)
    said = body.get("message")
    words = one_line(said if isinstance(said, str) else exc.response.text)
    hint = "; RAMALAMA_API_KEY is the place for its key" if exc.status_code in _NOT_YOU else ""
    msg = f"the server refused the request (HTTP {exc.status_code}): {words or 'without a word'}"
    msg += hint
    # vLLM has the numbers in its sentence: "maximum context length is 2048 tokens. However, …"
    too_long = "context length" in words
    return (ContextExceeded if too_long else RequestFailed)(msg, status=exc.status_code)
