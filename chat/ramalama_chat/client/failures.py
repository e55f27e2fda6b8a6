"""Turn the exceptions of the SDK and of its HTTP client into errors of the chat."""

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


_NO_ACCESS = frozenset({401, 403})  # unauthorized; forbidden


@contextmanager
def chat_errors() -> Generator[None]:
    """Turn every exception of the SDK and its HTTP client into a ChatError."""
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
    except (ValueError, RecursionError) as exc:  # not JSON, not UTF-8, or nested too deeply
        msg = "the server sent an answer that is not JSON"
        raise ChatError(msg) from exc


@contextmanager
def opening_errors() -> Generator[None]:
    """Report a server that breaks HTTP before its answer begins: it may not be a model server.

    An SSH server, a TLS server, a proxy and a server that dies at the request look almost the same
    to the client. Only the HTTP library's messages differ, and their wording may change.
    """
    try:
        yield
    except openai.APIConnectionError as exc:
        if not isinstance(exc.__cause__, httpx2.RemoteProtocolError):
            raise
        hint = "is it a model server, and is the URL's scheme right?"
        msg = "the server closed the connection, or sent data that is not HTTP"
        raise ServerGone(msg, hint=hint) from exc


def _absence(exc: openai.APIConnectionError) -> str:
    match exc.__cause__:
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return f"the model server cannot be reached: {one_line(str(exc.__cause__))}"
        case httpx2.TimeoutException():
            return "the model server stopped answering"
        case _:
            return "the model server went away in the middle of the answer"


def _refusal(exc: openai.APIStatusError) -> RequestFailed:
    # The body comes from the server; the SDK has unwrapped "error" if the body had it.
    answer: object = exc.body
    body: Mapping[str, object] = answer if is_object(answer) else {}
    held, needed = body.get("n_ctx"), body.get("n_prompt_tokens")
    if is_count(held) and is_count(needed):  # llama-server sends these counts
        msg = f"the conversation takes {needed} tokens, and the model's context holds {held}"
        return ContextExceeded(msg, status=exc.status_code, needed=needed, held=held)
    said = body.get("message")
    words = one_line(said if isinstance(said, str) else exc.response.text)
    hint = "set RAMALAMA_API_KEY to its key" if exc.status_code in _NO_ACCESS else None
    msg = f"the server refused the request (HTTP {exc.status_code}): {words or 'without a reason'}"
    # vLLM puts the numbers into a sentence: "maximum context length is 2048 tokens. However, …"
    too_long = "context length" in words
    return (ContextExceeded if too_long else RequestFailed)(msg, hint=hint, status=exc.status_code)
