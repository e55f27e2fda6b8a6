"""What the SDK and its HTTP client raise, as errors of the chat."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.errors import ChatError, ContextExceeded, RequestFailed, ServerGone
from ramalama_values.json import is_count, is_object
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping


_NOT_YOU = frozenset({401, 403})  # unauthorized; forbidden


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


@contextmanager
def opening_errors() -> Generator[None]:
    """Say of a server that breaks the protocol that it may be none; before an answer has begun.

    An SSH or a TLS server, a proxy and a server that dies at the request look much the same from
    here, and only the words of the HTTP library, which are no interface, would tell them apart.
    """
    try:
        yield
    except openai.APIConnectionError as exc:
        if not isinstance(exc.__cause__, httpx2.RemoteProtocolError):
            raise
        hint = "is it a model server, and its URL's scheme right?"
        msg = "the server hung up, or sent what is no HTTP"
        raise ServerGone(msg, hint=hint) from exc


def _absence(exc: openai.APIConnectionError) -> str:
    match exc.__cause__:
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return f"the model server cannot be reached: {one_line(str(exc.__cause__))}"
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
    hint = "RAMALAMA_API_KEY is the place for its key" if exc.status_code in _NOT_YOU else None
    msg = f"the server refused the request (HTTP {exc.status_code}): {words or 'without a word'}"
    # vLLM has the numbers in its sentence: "maximum context length is 2048 tokens. However, …"
    too_long = "context length" in words
    return (ContextExceeded if too_long else RequestFailed)(msg, hint=hint, status=exc.status_code)
