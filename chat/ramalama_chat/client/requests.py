"""Send requests through the SDK, and read the answers without it, in bounded pieces.

The SDK sends a request and turns a refusal into an exception. It would read an answer of any size
into the memory, and of an event stream it drops all that is not an event, such as the words of a
server that fails.

A request is sent again while the server is busy or still loads its model.

The format of an event stream is that of the HTML standard, 9.2 "Server-sent events". Servers of the
OpenAI API send a JSON value in each event, and "[DONE]" in the last. Beyond that this reads the
words of a server that fails: an "error" event, an "error:" line (of old llama.cpp), an object with
"error", a web page. A server that does not stream sends the whole answer as one object, which
becomes one event.
"""

from __future__ import annotations

import re
import time
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.bounds import LONGEST_EVENT, AnswerRefused
from ramalama_chat.client.failures import failure, said
from ramalama_chat.errors import ChatError, RequestFailed
from ramalama_values.json import is_object, parse_json
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from openai import OpenAI
    from tenacity import RetryCallState


LONGEST_ANSWER = LONGEST_EVENT
"""Bytes of an answer that is read as a whole: many models' list, a long text as one object."""


def post(
    client: OpenAI, path: str, body: Mapping[str, object], *, timeout: float | None = None
) -> httpx2.Response:
    """Send *body*, and return the response once its head has come; the caller must close it.

    *timeout* is the longest time without data, in seconds; None takes the client's.
    """
    # The SDK returns the response itself if that is the type to cast to.
    response = client.post(
        path,
        cast_to=httpx2.Response,
        body=body,
        stream=True,
        stream_cls=openai.Stream[object],
        options={} if timeout is None else {"timeout": timeout},
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
        options={} if timeout is None else {"timeout": timeout},
    )
    with closing(cast("httpx2.Response", response)) as answer:
        return parse_json(read_whole(answer.iter_raw(), timeout=timeout))


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
        if len(content) > limit:
            msg = f"sent an answer of more than {limit:,} bytes"
            raise AnswerRefused(msg)
        if timeout is not None and time.monotonic() - began > timeout:
            msg = "the answer does not end"
            raise httpx2.ReadTimeout(msg)
    return bytes(content)


T = TypeVar("T")

_BUSY = 429  # too many requests
_UNAVAILABLE = 503
_LONGEST_LOADING = 600.0  # seconds; from a slow disk, a large model takes minutes
_MOST_ATTEMPTS = 4  # within about a second, if the server does not say that it loads


def send_patiently(send: Callable[[], T], on_loading: Callable[[], None]) -> T:
    """Return what *send* returns; call it again if the server may accept the request soon.

    The server has not begun with such a request, so none is answered twice. If it says that it
    loads its model, it is waited for, up to ten minutes, and *on_loading* is called before each
    wait.
    """
    try:
        return send()
    except openai.APIError as exc:
        if not _is_transient(exc):
            raise
    return _send_again(send, on_loading)


def _send_again(send: Callable[[], T], on_loading: Callable[[], None]) -> T:
    # Rarely needed, so it is not imported at start-up.
    from tenacity import Retrying, retry_if_exception, wait_exponential  # noqa: PLC0415

    def before_sleep(state: RetryCallState) -> None:
        if _is_loading(_failure(state)):
            on_loading()

    retrying = Retrying(
        retry=retry_if_exception(_is_transient),
        wait=wait_exponential(multiplier=0.1, max=0.5),
        stop=_gives_up,
        before_sleep=before_sleep,
        reraise=True,
    )
    return retrying(send)


def _gives_up(state: RetryCallState) -> bool:
    if _is_loading(_failure(state)):
        return (state.seconds_since_start or 0.0) >= _LONGEST_LOADING
    return state.attempt_number >= _MOST_ATTEMPTS


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


_DONE = b"[DONE]"
_LINE_END = rb"\r\n|\n|\r"
_IGNORED = frozenset({b"", b"id", b"retry"})  # "" is a comment
_ERROR, _STRAY = b"error", b"?"
_MARK = b"\xef\xbb\xbf"  # a byte order mark


def read_events(response: httpx2.Response) -> Generator[object, None, None]:
    """Yield the JSON value of each event until the last, and close *response*.

    Raises:
        RequestFailed: the server reports an error.
        ChatError: what it sent is neither an event stream nor an answer.
        httpx2.RequestError: the connection broke, or the answer is too long.

    """
    with closing(response):
        pieces = response.iter_raw()
        first = next(filter(None, (piece.removeprefix(_MARK).lstrip() for piece in pieces)), b"")
        rest = chain([first], pieces)
        if first.startswith(b"{"):
            yield _value(read_whole(rest), begun=False)
        elif first.startswith(b"<"):
            _refuse_page(read_whole(rest))
        else:
            yield from _decode(_frames(_lines(rest)))


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of *pieces*, and an empty one at the end, which ends the last event."""
    begun, held = bytearray(), False
    for piece in pieces:
        begun += piece
        # A long line in small pieces must not be searched at each of them.
        if not (held or b"\n" in piece or b"\r" in piece):
            continue
        held = begun.endswith(b"\r")  # it may be the first half of a line's end
        *lines, rest = re.split(_LINE_END, bytes(begun[:-1] if held else begun))
        begun = bytearray(rest + b"\r" * held)
        yield from lines
    yield from re.split(_LINE_END, bytes(begun))
    yield b""


def _frames(lines: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the data of each event; a line that belongs to none is called `_STRAY`."""
    name, data = b"", list[bytes]()
    for line in lines:
        field, _, text = line.partition(b":")
        text = text.removeprefix(b" ")
        if field == b"data":
            data.append(text)
        elif field == b"event":
            name = text
        elif field == _ERROR:
            yield _ERROR, text
        elif field not in _IGNORED:
            yield _STRAY, line
        elif not line:
            if data:
                yield name, b"\n".join(data)
            name, data = b"", []


def _decode(frames: Iterable[tuple[bytes, bytes]]) -> Iterator[object]:
    begun, stray = False, b""
    for name, content in frames:
        if name == _ERROR:
            raise _reported(content, begun=begun)
        if name == _STRAY:
            stray = stray or content
        elif content.startswith(_DONE):
            return
        else:
            yield _value(content, begun=begun)
            begun = True
    if stray and not begun:
        msg = f"the server sent something that is not part of a chat answer: {one_line(stray)}"
        raise ChatError(msg)


def _value(content: bytes, *, begun: bool) -> object:
    """Parse an event's data.

    Raises:
        RequestFailed: it reports an error.
        ChatError: it is not JSON.

    """
    try:
        value = parse_json(content)
    except ValueError:
        msg = "the server sent an answer that is not JSON"
        raise ChatError(msg) from None
    if is_object(value) and value.get("error"):
        raise failure(value, begun=begun)
    return value


def _reported(content: bytes, *, begun: bool) -> RequestFailed:
    try:
        value = parse_json(content)
    except ValueError:
        value = content.decode(errors="replace")
    return failure(value, begun=begun)


def _refuse_page(content: bytes) -> NoReturn:
    msg = (
        f"the server sent a web page instead of an answer: {said(content.decode(errors='replace'))}"
    )
    raise RequestFailed(msg, hint="is it a model server, and is the URL right?")
