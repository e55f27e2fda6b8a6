"""Read the head of a request, more strictly than h11 does.

A proxy and the server behind it must agree on where a request ends, or a client can hide one
request in another (request smuggling). So a head that two programs could read differently is
refused, and the head and the framing of a body are written anew.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import h11

from ramalama.rag.proxy.answer_framing import LONGEST_HEAD
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)|\n[ \t]|\0")
_NOT_PASSED_ON = frozenset({
    *(b"authorization", b"content-length", b"expect", b"te", b"trailer", b"transfer-encoding"),
    *(b"connection", b"keep-alive", b"upgrade", b"http2-settings"),
    *(b"proxy-connection", b"proxy-authorization"),
})  # fmt: skip
_CHAT = (b"/v1/chat/completions", b"/chat/completions")
_HEALTH = (b"/health", b"/v1/health")


class BadRequestError(Exception):
    """The request is not valid, so the connection is closed; *status* says why."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@frozen()
class RequestHead:
    """The head of a request.

    Attributes:
        method: as it came.
        target: the path with its query.
        version: of HTTP, 1.0 or 1.1.
        fields: names as they came, and values.
    """

    method: bytes
    target: bytes
    version: bytes
    fields: Sequence[tuple[bytes, bytes]]

    @property
    def path(self) -> bytes:
        """The target without its query."""
        return self.target.partition(b"?")[0]

    @property
    def is_chat(self) -> bool:
        """Whether a question is asked."""
        return self.method == b"POST" and self.path in _CHAT

    @property
    def needs_no_key(self) -> bool:
        """Whether the server answers without a key, too: what tells nothing."""
        return self.method == b"OPTIONS" or (self.method == b"GET" and self.path in _HEALTH)

    @property
    def length(self) -> int | None:
        """The length of the body; None if it comes in chunks."""
        if self.value(b"transfer-encoding") is not None:
            return None
        return int(self.value(b"content-length") or b"0")

    @property
    def is_coded(self) -> bool:
        """Whether the body is compressed."""
        return (self.value(b"content-encoding") or b"identity").lower() != b"identity"

    @property
    def keeps_connection(self) -> bool:
        """Whether the client may send another request."""
        options = (self.value(b"connection") or b"").lower().replace(b" ", b"").split(b",")
        return self.version == b"1.1" and b"close" not in options

    @property
    def key(self) -> str | None:
        """The key that the client sends."""
        scheme, _, key = (self.value(b"authorization") or b"").partition(b" ")
        return key.strip().decode("latin-1") if scheme.lower() == b"bearer" else None

    def value(self, name: bytes) -> bytes | None:
        """Return the value of the first field with this name in lower case."""
        return next((value for each, value in self.fields if each.lower() == name), None)

    def to_server(self, *, length: int | None, key: str | None) -> bytes:
        """Return the head for the server; the body has *length* bytes, or comes in chunks."""
        fields = [each for each in self.fields if each[0].lower() not in _NOT_PASSED_ON]
        if key is not None:
            fields.append((b"Authorization", b"Bearer " + key.encode("ascii")))
        if length is None:
            fields.append((b"Transfer-Encoding", b"chunked"))
        elif length or self.value(b"content-length") is not None:
            fields.append((b"Content-Length", b"%d" % length))
        if not self.keeps_connection:
            fields.append((b"Connection", b"close"))
        first = b"%s %s HTTP/%s" % (self.method, self.target, self.version)
        return b"\r\n".join((first, *(b"%s: %s" % each for each in fields), b"", b""))


def find_head(data: bytes | bytearray) -> int:
    """Return the length of the head at the beginning of *data*; 0 if it is not complete.

    Raises:
        BadRequestError: it is too long, or its lines do not all end with CR LF.
    """
    end = data.find(b"\r\n\r\n", 0, LONGEST_HEAD) + 4
    found = end >= 4  # noqa: PLR2004 (it was found)
    # A CR at the end may have its LF in the next piece.
    if _BARE.search(data, 0, end if found else len(data) - data.endswith(b"\r")):
        msg = "a line of the head does not end with CR LF"
        raise BadRequestError(msg)
    if not found and len(data) >= LONGEST_HEAD:
        msg = "the head of the request is too long"
        raise BadRequestError(msg)
    return end if found else 0


def read_head(parser: h11.Connection) -> RequestHead:
    """Take the head from *parser*, which has got all of it.

    Raises:
        BadRequestError: it is not valid, or can be read in two ways.
    """
    try:
        event = parser.next_event()
    except h11.RemoteProtocolError as exc:
        raise BadRequestError(str(exc), exc.error_status_hint) from None
    if not isinstance(event, h11.Request):
        msg = "it is not a request"
        raise BadRequestError(msg)
    fields = tuple(event.headers.raw_items())
    head = RequestHead(
        method=event.method, target=event.target, version=event.http_version, fields=fields
    )
    _check(head)
    return head


def _check(head: RequestHead) -> None:
    if head.version not in (b"1.0", b"1.1"):
        msg = "the version of HTTP is neither 1.0 nor 1.1"
        raise BadRequestError(msg, 505)
    names = [name.lower() for name, _ in head.fields]
    coded = names.count(b"transfer-encoding")
    if coded + names.count(b"content-length") > 1:
        msg = "the length of the body is given twice"
        raise BadRequestError(msg)
    if coded and head.version != b"1.1":
        msg = "HTTP/1.0 has no chunks"
        raise BadRequestError(msg)
    if names.count(b"host") > 1 or names.count(b"authorization") > 1:
        msg = "a field is given twice"
        raise BadRequestError(msg)
    is_of_server = head.method == b"OPTIONS" and head.target == b"*"
    if not head.target.startswith(b"/") and not is_of_server:
        msg = "the target is not a path"
        raise BadRequestError(msg)
