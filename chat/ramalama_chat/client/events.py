"""Read the events of an answer from its bytes, which the caller has received: no I/O, no waiting.

The format of an event stream is that of the HTML standard, 9.2 "Server-sent events". Servers of the
OpenAI API send a JSON value in each event, and "[DONE]" in the last. Beyond that this reads the
words of a server that fails: an "error" event, an "error:" line (of old llama.cpp), an object with
"error", a web page. A server that does not stream sends the whole answer as one object, which
becomes one event.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from ramalama_chat.client.bounds import LONGEST_EVENT
from ramalama_chat.client.failures import failure, said
from ramalama_chat.errors import ChatError, RequestFailed
from ramalama_values.json import is_object, parse_json
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST_ANSWER = LONGEST_EVENT
"""Bytes of an answer that is read as a whole: many models' list, a long text as one object."""

_DONE = b"[DONE]"
_LINE_END = rb"\r\n|\n|\r"
_IGNORED = frozenset({b"", b"id", b"retry"})  # "" is a comment
_ERROR = b"error"
_MARK = b"\xef\xbb\xbf"  # a byte order mark


class EventReader:
    """Takes the pieces of an answer's body, and gives the JSON value of each event.

    *done* is set after the last event: what follows is not read.
    """

    def __init__(self) -> None:
        self.done = False
        self._kind = b""  # the first byte; "" before it came
        self._whole = bytearray()  # of an answer that is no event stream
        self._lines = _LineReader()
        self._name, self._data = b"", list[bytes]()
        self._begun = False  # whether an event came
        self._stray = b""  # the first line that belongs to no event

    def feed(self, piece: bytes) -> Iterator[object]:
        """Yield the events that *piece* completes.

        Raises:
            RequestFailed: the server reports an error.
            ChatError: what it sent is neither an event stream nor an answer, or it is too long.

        """
        if not self._kind:
            piece = piece.removeprefix(_MARK).lstrip()
            self._kind = piece[:1]
        if self._kind not in b"{<":
            yield from self._events(self._lines.feed(piece))
            return
        self._whole += piece
        if len(self._whole) > LONGEST_ANSWER:
            msg = f"the server sent an answer of more than {LONGEST_ANSWER:,} bytes"
            raise ChatError(msg)

    def end(self) -> Iterator[object]:
        """Yield what was left when the body ended; see `feed` for errors."""
        if self.done:
            return
        if self._kind == b"{":
            yield self._value(bytes(self._whole))
            return
        if self._kind == b"<":
            _refuse_page(bytes(self._whole))
        yield from self._events(self._lines.end())
        if self._stray and not self._begun:
            words = one_line(self._stray)
            msg = f"the server sent something that is not part of a chat answer: {words}"
            raise ChatError(msg)

    def _events(self, lines: Iterable[bytes]) -> Iterator[object]:
        for line in lines:
            field, _, text = line.partition(b":")
            text = text.removeprefix(b" ")
            if field == b"data":
                self._data.append(text)
            elif field == b"event":
                self._name = text
            elif field == _ERROR:
                raise self._reported(text)
            elif field not in _IGNORED:
                self._stray = self._stray or line
            elif not line:
                name, data = self._name, self._data
                self._name, self._data = b"", []
                if data:
                    yield from self._event(name, b"\n".join(data))
            if self.done:
                return

    def _event(self, name: bytes, content: bytes) -> Iterator[object]:
        if name == _ERROR:
            raise self._reported(content)
        if content.startswith(_DONE):
            self.done = True
        else:
            yield self._value(content)

    def _value(self, content: bytes) -> object:
        try:
            value = parse_json(content)
        except ValueError:
            msg = "the server sent an answer that is not JSON"
            raise ChatError(msg) from None
        if is_object(value) and value.get("error"):
            raise failure(value, begun=self._begun)
        self._begun = True
        return value

    def _reported(self, content: bytes) -> RequestFailed:
        try:
            value = parse_json(content)
        except ValueError:
            value = content.decode(errors="replace")
        return failure(value, begun=self._begun)


class _LineReader:
    """Divides pieces into lines."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._held = False  # whether a CR is held back, which may be the first half of a line's end

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the lines that *piece* completes."""
        self._begun += piece
        # A long line in small pieces must not be searched at each of them.
        if not (self._held or b"\n" in piece or b"\r" in piece):
            return []
        self._held = self._begun.endswith(b"\r")
        *lines, rest = _split(bytes(self._begun[:-1] if self._held else self._begun))
        self._begun = bytearray(rest + b"\r" * self._held)
        return lines

    def end(self) -> list[bytes]:
        """Return the last lines, and an empty one, which ends the last event."""
        return [*_split(bytes(self._begun)), b""]


def _split(text: bytes) -> list[bytes]:
    """Divide *text* at the ends of lines; nearly all servers use LF, and this is much faster."""
    return re.split(_LINE_END, text) if b"\r" in text else text.split(b"\n")


def _refuse_page(content: bytes) -> NoReturn:
    words = said(content.decode(errors="replace"))
    msg = f"the server sent a web page instead of an answer: {words}"
    raise RequestFailed(msg, hint="is it a model server, and is the URL right?")
