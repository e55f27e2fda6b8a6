"""Send requests through the SDK, and read the answers without it, in bounded pieces.

The SDK sends a request and turns a refusal into an exception. It would read an answer of any size
into the memory, and of an event stream it drops all that is not an event, such as the words of a
server that fails; see `ramalama_chat.client.events`.

A request is sent again while the server is busy or still loads its model.
"""

from __future__ import annotations

import time
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.bounds import LONGEST_EVENT, AnswerRefused
from ramalama_chat.client.failures import said
from ramalama_values.json import parse_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from openai import AsyncOpenAI, OpenAI
    from openai._types import RequestOptions
    from tenacity import BaseRetrying, RetryCallState

    R = TypeVar("R", bound=BaseRetrying)


LONGEST_ANSWER = LONGEST_EVENT
"""Bytes of an answer that is read as a whole: many models' list, a long text as one object."""

Timeout: TypeAlias = "float | httpx2.Timeout | None"
"""The longest time without data, in seconds; None takes the client's."""


def post(
    client: OpenAI, path: str, body: Mapping[str, object], *, timeout: Timeout = None
) -> httpx2.Response:
    """Send *body*, and return the response once its head has come; the caller must close it."""
    # The SDK returns the response itself if that is the type to cast to.
    response = client.post(
        path,
        cast_to=httpx2.Response,
        body=body,
        stream=True,
        stream_cls=openai.Stream[object],
        options=_options(timeout),
    )
    return cast("httpx2.Response", response)


async def post_async(client: AsyncOpenAI, path: str, body: Mapping[str, object]) -> httpx2.Response:
    """Do the same as `post`, with an asynchronous client; the caller limits the time."""
    response = await client.post(
        path,
        cast_to=httpx2.Response,
        body=body,
        stream=True,
        stream_cls=openai.AsyncStream[object],
    )
    return cast("httpx2.Response", response)


def get_json(client: OpenAI, path: str, *, timeout: float | None = None) -> object:
    """Return the JSON value at *path* of the API; *timeout* is for all of it, in seconds.

    Raises:
        ValueError: the answer is not JSON.

    """
    response = client.get(
        path,
        cast_to=httpx2.Response,
        stream=True,
        stream_cls=openai.Stream[object],
        options=_options(timeout),
    )
    with closing(cast("httpx2.Response", response)) as answer:
        return parse_json(read_whole(answer.iter_raw(), timeout=timeout))


async def get_json_async(client: AsyncOpenAI, path: str) -> object:
    """Do the same as `get_json`, with an asynchronous client; the caller limits the time."""
    response = await client.get(
        path,
        cast_to=httpx2.Response,
        stream=True,
        stream_cls=openai.AsyncStream[object],
    )
    content = bytearray()
    async with aclosing(cast("httpx2.Response", response)) as answer:
        async for piece in answer.aiter_raw():
            content += piece
            _check_length(content, LONGEST_ANSWER)
    return parse_json(bytes(content))


def _options(timeout: Timeout) -> RequestOptions:
    return {} if timeout is None else {"timeout": timeout}


def read_whole(
    pieces: Iterable[bytes], *, timeout: float | None = None, limit: int = LONGEST_ANSWER
) -> bytes:
    """Join the *pieces* of an answer; *timeout* is in seconds, *limit* in bytes.

    Raises:
        AnswerRefused: the answer is longer than *limit*.
        httpx2.ReadTimeout: the time is over; a server may send a byte a second.

    """
    content, began = bytearray(), time.monotonic()
    for piece in pieces:
        content += piece
        _check_length(content, limit)
        if timeout is not None and time.monotonic() - began > timeout:
            msg = "the answer does not end"
            raise httpx2.ReadTimeout(msg)
    return bytes(content)


def _check_length(content: bytearray, limit: int) -> None:
    if len(content) > limit:
        msg = f"sent an answer of more than {limit:,} bytes"
        raise AnswerRefused(msg)


T = TypeVar("T")

_BUSY = 429  # too many requests
_UNAVAILABLE = 503
_LONGEST_LOADING = 600.0  # seconds; from a slow disk, a large model takes minutes
_MOST_ATTEMPTS = 4  # within about a second, if the server does not say that it loads


def send_patiently(
    send: Callable[[], T], on_loading: Callable[[], None], *, limit: float | None = None
) -> T:
    """Return what *send* returns; call it again if the server may accept the request soon.

    The server has not begun with such a request, so none is answered twice. If it says that it
    loads its model, it is waited for, up to ten minutes, and *on_loading* is called before each
    wait. After *limit* seconds, it is not asked again.
    """
    try:
        return send()
    except openai.APIError as exc:
        if not _is_transient(exc):
            raise
    # Rarely needed, so it is not imported at start-up.
    from tenacity import Retrying  # noqa: PLC0415

    return _again(Retrying, on_loading, limit)(send)


async def send_patiently_async(
    send: Callable[[], Awaitable[T]],
    on_loading: Callable[[], None],
    *,
    limit: float | None = None,
) -> T:
    """Do the same as `send_patiently`, without blocking the event loop."""
    try:
        return await send()
    except openai.APIError as exc:
        if not _is_transient(exc):
            raise
    from tenacity import AsyncRetrying  # noqa: PLC0415 - as above

    return await _again(AsyncRetrying, on_loading, limit)(send)


def _again(kind: type[R], on_loading: Callable[[], None], limit: float | None) -> R:
    from tenacity import retry_if_exception, wait_exponential  # noqa: PLC0415 - as above

    def before_sleep(state: RetryCallState) -> None:
        if _is_loading(_failure(state)):
            on_loading()

    def gives_up(state: RetryCallState) -> bool:
        waited = state.seconds_since_start or 0.0
        if limit is not None and waited >= limit:
            return True
        if _is_loading(_failure(state)):
            return waited >= _LONGEST_LOADING
        return state.attempt_number >= _MOST_ATTEMPTS

    return kind(
        retry=retry_if_exception(_is_transient),
        wait=wait_exponential(multiplier=0.1, max=0.5),
        stop=gives_up,
        before_sleep=before_sleep,
        reraise=True,
    )


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _is_transient(exc: BaseException) -> bool:
    """Return whether the server has not begun with the request, but may accept it soon."""
    if isinstance(exc, openai.APIStatusError):
        return exc.status_code in (_BUSY, _UNAVAILABLE)
    return isinstance(exc.__cause__, httpx2.ConnectError)


def _is_loading(exc: BaseException | None) -> bool:
    """Return whether the server says that it loads its model, as llama-server does."""
    if not isinstance(exc, openai.APIStatusError) or exc.status_code != _UNAVAILABLE:
        return False
    return "loading" in said(exc.body).lower()
