"""Bound what a server may send, so that no answer fills the memory.

The HTTP library bounds the status line and the headers (100 KiB). The rest is bounded here, for
every client of this package:

    an event      2 MiB     of an event stream: all up to an empty line, so each line, too
    a refusal     64 KiB    the body of a status from 400; what is longer is cut off
    a body        256 MiB   any other; the requests of a chat read 2 MiB of it (`requests`)

No compression is asked for and none is accepted: 1 MB of gzip can be 1 GB of text.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeAlias, cast

import httpx2

LONGEST_EVENT = 2 * 1024 * 1024
_LONGEST_REFUSAL = 64 * 1024
_LONGEST_BODY = 256 * 1024 * 1024
_REFUSED = 400  # the first status of a refusal

# The ends of the empty lines that end an event; a line ends with CR LF, LF or CR.
_EVENT_ENDS = (b"\n\n", b"\n\r\n", b"\r\r")
_LONGEST_END = 3

Count: TypeAlias = Callable[[bytes], bool]
"""Returns whether reading goes on after a piece of the body; raises `AnswerRefused`."""


class AnswerRefused(httpx2.RequestError):
    """The server's answer is not accepted; the message says why, and continues "the server"."""


def bound(response: httpx2.Response) -> None:
    """Bound the body of *response*, before any of it is read; a hook of an HTTP client."""
    response.stream = _Bounded(cast("httpx2.SyncByteStream", response.stream), _counter(response))


async def bound_async(response: httpx2.Response) -> None:
    """Do the same as `bound`, for an asynchronous client."""
    stream = cast("httpx2.AsyncByteStream", response.stream)
    response.stream = _AsyncBounded(stream, _counter(response))


def _counter(response: httpx2.Response) -> Count:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        msg = "compressed its answer, which was not asked for"
        raise AnswerRefused(msg)
    response.encoding = "utf-8"  # not the charset of a header: some codecs take minutes
    if response.status_code >= _REFUSED:
        return _RefusalCounter()
    if response.headers.get("content-type", "").lower().startswith("text/event-stream"):
        return _EventCounter()
    return _BodyCounter()


class _RefusalCounter:
    """Ends the body after `_LONGEST_REFUSAL` bytes: its beginning says what is wrong."""

    def __init__(self) -> None:
        self._left = _LONGEST_REFUSAL

    def __call__(self, piece: bytes) -> bool:
        self._left -= len(piece)
        return self._left > 0


class _BodyCounter:
    """Raises an error after `_LONGEST_BODY` bytes."""

    def __init__(self) -> None:
        self._left = _LONGEST_BODY

    def __call__(self, piece: bytes) -> bool:
        self._left -= len(piece)
        if self._left < 0:
            msg = f"sent an answer of more than {_LONGEST_BODY:,} bytes"
            raise AnswerRefused(msg)
        return True


class _EventCounter:
    """Raises an error after `LONGEST_EVENT` bytes without the end of an event."""

    def __init__(self) -> None:
        self._length = 0  # of the event that has not ended
        self._end = b""  # of the last piece, since an empty line may come in two

    def __call__(self, piece: bytes) -> bool:
        if piece.endswith(b"\n\n"):  # nearly all: a server sends an event at once
            self._length, self._end = 0, b""
            return True
        seen = self._end + piece
        self._end = seen[1 - _LONGEST_END :]
        ended = max((seen.rfind(end) + len(end) for end in _EVENT_ENDS if end in seen), default=0)
        self._length = len(seen) - ended if ended else self._length + len(piece)
        if self._length > LONGEST_EVENT:
            msg = f"sent an event of more than {LONGEST_EVENT:,} bytes"
            raise AnswerRefused(msg)
        return True


class _Bounded(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, count: Count) -> None:
        self._stream = stream
        self._count = count

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            goes_on = self._count(piece)
            yield piece
            if not goes_on:
                return

    def close(self) -> None:
        self._stream.close()


class _AsyncBounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, count: Count) -> None:
        self._stream = stream
        self._count = count

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            goes_on = self._count(piece)
            yield piece
            if not goes_on:
                return

    async def aclose(self) -> None:
        await self._stream.aclose()
