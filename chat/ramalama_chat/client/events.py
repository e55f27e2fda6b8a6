"""Read the events of a streamed answer, and what servers send in place of them.

The format is that of the HTML standard, 9.2 "Server-sent events". Servers of the OpenAI API send a
JSON value in each event, and "[DONE]" in the last. Beyond that this reads the words of a server
that fails: an "error" event, an "error:" line (of old llama.cpp), an object with "error", a web
page. A server that does not stream sends the whole answer as one object, which becomes one event.
"""

import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import chain
from typing import NoReturn

import httpx2

from ramalama_chat.client.failures import failure, said
from ramalama_chat.client.requests import read_whole
from ramalama_chat.errors import ChatError, RequestFailed
from ramalama_values.json import is_object, parse_json
from ramalama_values.text import one_line

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
