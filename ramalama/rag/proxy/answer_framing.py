"""Find out where an HTTP answer ends, without changing a byte of it (RFC 9112, section 6.3).

The server's container may be hostile, so a head is bounded, and an answer whose end is doubtful is
refused: the client could take its rest for another answer.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING

from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_HEAD = 64 * 1024
"""The largest size of a head in bytes."""

_LONGEST_LINE = 4096  # bytes, of a chunk's size or a trailer
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?\Z")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\0]*)\Z")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n\Z")
_NO_CONTENT = (204, 304)


class BadAnswerError(Exception):
    """The server sent something that is not an HTTP answer."""


@frozen()
class AnswerHead:
    """The head of an answer.

    Attributes:
        raw: its bytes, up to and with the empty line.
        status: the status code.
        fields: its fields, by their names in lower case; values of the same name are joined.
    """

    raw: bytes
    status: int
    fields: Mapping[bytes, bytes]

    @classmethod
    def parse(cls, raw: bytes) -> AnswerHead:
        """Parse a head.

        Raises:
            BadAnswerError: it is not valid.
        """
        first, *lines = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
        status = _STATUS.match(first)
        if status is None:
            raise BadAnswerError
        fields = dict[bytes, bytes]()
        for line in lines:
            field = _FIELD.match(line)
            if field is None:
                raise BadAnswerError
            name = field[1].lower()
            fields[name] = b", ".join(filter(None, (fields.get(name), field[2].strip(b" \t"))))
        return cls(raw=raw, status=int(status[1]), fields=fields)

    @property
    def is_interim(self) -> bool:
        """Whether another head follows."""
        return 100 <= self.status < 200  # noqa: PLR2004 (RFC 9110, section 15.2)

    @property
    def length(self) -> int | None:
        """The length of the body, if the head says it."""
        text = self.fields.get(b"content-length")
        if text is None:
            return None
        if not text.isdigit() or len(text) > len(str(2**63)):
            raise BadAnswerError
        return int(text)

    @property
    def ends_connection(self) -> bool:
        """Whether the server closes the connection after the answer."""
        options = self.fields.get(b"connection", b"").lower().replace(b" ", b"").split(b",")
        return b"close" in options or self.raw.startswith(b"HTTP/1.0")

    def body(self, method: bytes) -> BodyFraming:
        """Return what finds the end of the body of an answer to a request with *method*.

        Raises:
            BadAnswerError: the end cannot be told.
        """
        coding = self.fields.get(b"transfer-encoding")
        if method == b"HEAD" or self.status in _NO_CONTENT:
            return BodyFraming(length=0)
        if coding is not None:
            if coding.lower() != b"chunked" or self.length is not None:
                raise BadAnswerError
            return BodyFraming(chunked=True)
        return BodyFraming(length=self.length)

    def changed(self, *, added: Mapping[str, str], length: int | None = None) -> bytes:
        """Return the bytes of the head with fields *added*, and another *length* of the body."""
        lines = self.raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
        if length is not None:
            lines = [line for line in lines if not line.lower().startswith(b"content-length:")]
            lines.append(b"Content-Length: %d" % length)
        lines += [f"{name}: {value}".encode("ascii") for name, value in added.items()]
        return b"\r\n".join(lines) + b"\r\n\r\n"


class _State(Enum):
    SIZE = auto()
    DATA = auto()
    TRAILER = auto()


class BodyFraming:
    """Finds the end of a body: by its *length*, by its chunks, or with the connection.

    Attributes:
        done: whether the body has ended.
        until_close: whether it ends with the connection.
    """

    def __init__(self, *, length: int | None = None, chunked: bool = False) -> None:
        self.until_close = length is None and not chunked
        self.done = length == 0
        self._left = length or 0
        self._state = _State.SIZE if chunked else _State.DATA
        self._chunked = chunked
        self._line = b""

    def feed(self, data: bytes) -> int:
        """Return how many bytes of *data* belong to the body.

        Raises:
            BadAnswerError: a chunk is not valid.
        """
        if self.until_close:
            return len(data)
        position = 0
        while position < len(data) and not self.done:
            if self._state is _State.DATA:
                taken = min(self._left, len(data) - position)
                self._left -= taken
                position += taken
                self._end_data()
            else:
                position = self._read_line(data, position)
        return position

    def _end_data(self) -> None:
        if self._left:
            return
        if self._chunked:
            self._state = _State.SIZE
        else:
            self.done = True

    def _read_line(self, data: bytes, position: int) -> int:
        end = data.find(b"\n", position) + 1
        self._line += data[position : end or len(data)]
        if len(self._line) > _LONGEST_LINE:
            raise BadAnswerError
        if not end:
            return len(data)
        line, self._line = self._line, b""
        if self._state is _State.TRAILER:
            self.done = line in (b"\r\n", b"\n")
            return end
        size = _SIZE.match(line)
        if size is None:
            raise BadAnswerError
        if length := int(size[1], 16):
            self._left, self._state = length + 2, _State.DATA  # with the line end after it
        else:
            self._state = _State.TRAILER
        return end
