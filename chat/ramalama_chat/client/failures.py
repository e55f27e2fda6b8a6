"""Turn the exceptions of the SDK and of its HTTP client into errors of the chat."""

from __future__ import annotations

import re
from contextlib import contextmanager
from json import JSONDecodeError
from typing import TYPE_CHECKING

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.bounds import AnswerRefused
from ramalama_chat.client.http_client import ClientClosed
from ramalama_chat.errors import ChatError, ContextExceeded, RequestFailed, ServerGone, ServerSilent
from ramalama_values.json import is_array, is_count, is_object
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping


_NO_JSON = "the server sent an answer that is not JSON"
_NO_ACCESS = frozenset({401, 403})  # unauthorized; forbidden
_MEMBERS = ("error", "message", "detail", "msg")
_TITLE = r"(?is)<title[^>]*>\s*([^<]+)"


@contextmanager
def chat_errors() -> Generator[None]:
    """Turn what OpenAI's client and its HTTP library raise in the block into a `ChatError`.

    It is for programs that use `open_client` and `open_async_client` by themselves; what a
    `ChatSession` raises is a `ChatError` already. The block may wait for an asynchronous client::

        with chat_errors():
            answer = await client.chat.completions.create(...)

    A prompt that is too long becomes `ContextExceeded` with its numbers, a server that is not there
    or died `ServerGone`, one that was silent for too long `ServerSilent`, any other refusal
    `RequestFailed` with its HTTP status. Errors of other kinds pass unchanged.
    """
    try:
        yield
    except openai.APIStatusError as exc:
        raise _refusal(exc) from exc
    except openai.APIConnectionError as exc:
        raise _absence(exc.__cause__) from exc
    except openai.APIError as exc:  # in the middle of a stream
        raise failure({"error": exc.body or exc.message}, begun=True) from exc
    except httpx2.RequestError as exc:
        raise _absence(exc) from exc
    except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError) as exc:
        msg = f"the request failed: {one_line(str(exc))}"
        raise ChatError(msg) from exc
    except (JSONDecodeError, UnicodeDecodeError) as exc:
        raise ChatError(_NO_JSON) from exc


@contextmanager
def answer_errors() -> Generator[None]:
    """Do the same as `chat_errors`, for a block that only reads an answer: it may be no JSON."""
    try:
        with chat_errors():
            yield
    except (ValueError, RecursionError) as exc:  # not JSON, not UTF-8, or nested too deeply
        raise ChatError(_NO_JSON) from exc


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


def _absence(cause: BaseException | None) -> ChatError:
    match cause:
        case AnswerRefused():
            return ChatError(f"the server {cause}")
        case ClientClosed():
            return ServerGone("the client of the model server is closed")
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return ServerGone(f"the model server cannot be reached: {one_line(str(cause))}")
        case httpx2.TimeoutException():
            return ServerSilent("the model server stopped answering")
        case _:
            return ServerGone("the model server went away in the middle of the answer")


def _refusal(exc: openai.APIStatusError) -> RequestFailed:
    status = exc.status_code
    # The body comes from the server; the SDK has unwrapped "error" if the body had it.
    words = said(exc.body)
    hint = "set RAMALAMA_API_KEY to its key" if status in _NO_ACCESS else None
    msg = f"the server refused the request (HTTP {status}): {words or 'without a reason'}"
    return _failure(exc.body, msg, hint=hint, status=status)


def failure(value: object, *, begun: bool) -> RequestFailed:
    """Return the error that the server reports by *value*, in an answer that may have *begun*."""
    what = "failed in the middle of its answer" if begun else "refused the request"
    msg = f"the server {what}: {said(value) or 'without a reason'}"
    return _failure(value.get("error") if is_object(value) else None, msg)


def _failure(
    reported: object, msg: str, *, hint: str | None = None, status: int | None = None
) -> RequestFailed:
    body: Mapping[str, object] = reported if is_object(reported) else {}
    held, needed = body.get("n_ctx"), body.get("n_prompt_tokens")
    if is_count(held) and is_count(needed):  # llama-server sends these counts
        msg = f"the conversation takes {needed} tokens, and the model's context holds {held}"
        return ContextExceeded(msg, status=status, needed=needed, held=held)
    # vLLM puts the numbers into a sentence: "maximum context length is 2048 tokens. However, …"
    too_long = "context length" in msg
    return (ContextExceeded if too_long else RequestFailed)(msg, hint=hint, status=status)


def said(value: object) -> str:
    """Return in one line what a server says of its failure, in JSON or in a page; "" if nothing."""
    while value and not isinstance(value, str):
        inner = value[0] if is_array(value) else _member(value)
        if inner is None:
            return one_line(repr(value))
        value = inner
    if not isinstance(value, str):
        return ""
    title = re.search(_TITLE, value)
    return one_line(title[1] if title else value)


def _member(value: object) -> object:
    """Return what an object says; "detail" and "msg" are the words of servers made with FastAPI."""
    if not is_object(value):
        return None
    return next((value[name] for name in _MEMBERS if value.get(name)), None)
