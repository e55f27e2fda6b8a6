"""Carry out a query: a generator that yields requests, is sent the replies, and returns a value.

A query does no I/O, so it is written once, for blocking code and for asyncio. What a server refuses
is thrown into it as an error.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.bounds import AnswerRefused
from ramalama_chat.client.failures import answer_errors, chat_errors
from ramalama_chat.client.requests import (
    post,
    post_async,
    send_patiently,
    send_patiently_async,
)
from ramalama_chat.errors import ChatError
from ramalama_values import frozen
from ramalama_values.json import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openai._types import RequestOptions

T = TypeVar("T")

_LONGEST = (
    16 * 1024 * 1024
)  # bytes of a reply; 64 vectors of 8192 numbers, as Base64, have 3 million

NO_SUCH_PATH = frozenset({404, 405, 501})
"""HTTP statuses of a server that does not have what a query asks for."""

_LATE = "the answer does not end"


@frozen()
class Request:
    """A request of a query.

    Attributes:
        path: below the API's URL; ``../`` leads to what stands beside it.
        body: what is sent; None asks for what is at *path*.
        timeout: seconds for all of the reply; None waits without limit.
        patient: whether to ask again while the server is busy, or loads its model.
    """

    path: str
    body: Mapping[str, object] | None = None
    timeout: float | None = None
    patient: bool = False


Query: TypeAlias = Generator[Request, bytes, T]


def carry_out(client: openai.OpenAI, query: Query[T]) -> T:
    """Send the requests of *query* with *client*, and return what it returns."""
    step: Callable[[], Request] = query.__next__
    while True:
        try:
            request = step()
        except StopIteration as end:
            return cast("T", end.value)
        try:
            step = _sends(query, _exchange(client, request))
        except ChatError as exc:
            step = _throws(query, exc)


async def carry_out_async(client: openai.AsyncOpenAI, query: Query[T]) -> T:
    """Do the same as `carry_out`, with an asynchronous client."""
    step: Callable[[], Request] = query.__next__
    while True:
        try:
            request = step()
        except StopIteration as end:
            return cast("T", end.value)
        try:
            step = _sends(query, await _exchange_async(client, request))
        except ChatError as exc:
            step = _throws(query, exc)


def _sends(query: Query[T], reply: bytes) -> Callable[[], Request]:
    return lambda: query.send(reply)


def _throws(query: Query[T], failure: ChatError) -> Callable[[], Request]:
    return lambda: query.throw(failure)


def read_object(reply: bytes) -> object:
    """Return the JSON value of a reply.

    Raises:
        ChatError: it is not JSON.
    """
    with answer_errors():
        return parse_json(reply)


class _Reply:
    """The bytes of a reply, which are limited in number and in time."""

    def __init__(self, timeout: float | None) -> None:
        self.content = bytearray()
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def add(self, piece: bytes) -> None:
        self.content += piece
        if len(self.content) > _LONGEST:
            msg = f"sent an answer of more than {_LONGEST:,} bytes"
            raise AnswerRefused(msg)
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise httpx2.ReadTimeout(_LATE)


def _exchange(client: openai.OpenAI, request: Request) -> bytes:
    reply = _Reply(request.timeout)

    def send() -> httpx2.Response:
        path = _address(client, request)
        if request.body is not None:
            return post(client, path, request.body, timeout=request.timeout)
        response = client.get(
            path,
            cast_to=httpx2.Response,
            stream=True,
            stream_cls=openai.Stream[object],
            options=_options(request),
        )
        return cast("httpx2.Response", response)

    with chat_errors():
        opened = send_patiently(send, _wait_on) if request.patient else send()
        with closing(opened) as response:
            for piece in response.iter_raw():
                reply.add(piece)
    return bytes(reply.content)


async def _exchange_async(client: openai.AsyncOpenAI, request: Request) -> bytes:
    import asyncio  # noqa: PLC0415 (the caller has a loop of it)

    reply = _Reply(None)

    async def send() -> httpx2.Response:
        path = _address(client, request)
        if request.body is not None:
            return await post_async(client, path, request.body)
        response = await client.get(
            path, cast_to=httpx2.Response, stream=True, stream_cls=openai.AsyncStream[object]
        )
        return cast("httpx2.Response", response)

    with chat_errors():
        try:
            async with asyncio.timeout(request.timeout):
                opened = await (send_patiently_async(send, _wait_on) if request.patient else send())
                async with aclosing(opened) as response:
                    async for piece in response.aiter_raw():
                        reply.add(piece)
        except TimeoutError as exc:
            raise httpx2.ReadTimeout(_LATE) from exc
    return bytes(reply.content)


def _address(client: openai.OpenAI | openai.AsyncOpenAI, request: Request) -> str:
    beside = request.path.startswith("../")
    return str(client.base_url.join(request.path)) if beside else request.path


def _options(request: Request) -> RequestOptions:
    return {} if request.timeout is None else {"timeout": request.timeout}


def _wait_on() -> None:
    """Do nothing while the server loads its model."""
