"""A server that answers as some bytes say, without a network.

    answers = answer *("\n%%\n" answer)          one for each request, in their order
    answer  = status *("\n" header) "\n\n" body

``@3`` in a body stands for the digest of the third answer's body, so that an answer can announce
another one that is sent after it. Who asks more often than there are answers gets 404.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import httpx2

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping, Sequence

SEPARATOR = b"\n%%\n"
SECRET = "s3cret"  # noqa: S105 (nobody's)

_MOST_ANSWERS = 9  # a digit names one
_STATUS = rb"[1-5][0-9][0-9]"
# What httpcore would let through; it refuses other headers before we see them.
_HEADER = rb"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+): *(?P<value>[\x21-\x7e\x80-\xff \t]*)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes

    @classmethod
    def parse(cls, content: bytes) -> Self:
        head, _, body = content.partition(b"\n\n")
        status, *lines = head.split(b"\n")
        headers = (re.fullmatch(_HEADER, line) for line in lines)
        return cls(
            status=int(status) if re.fullmatch(_STATUS, status) else 200,
            headers=[(header["name"], header["value"]) for header in headers if header],
            body=body,
        )


class Answers:
    """The server, and a *client* of it, whichever host that asks.

    *home* is the one host that may be told `SECRET`, and over TLS alone.
    """

    def __init__(self, content: bytes, *, home: str | None = None) -> None:
        self.asked = 0
        self.client = httpx2.Client(transport=httpx2.MockTransport(self._answer), trust_env=False)
        self._home = home
        found = [_Answer.parse(each) for each in content.split(SEPARATOR)[:_MOST_ANSWERS]]
        self._answers = _linked(found)

    def open_client(self, *, verify: ssl.SSLContext | bool = True) -> httpx2.Client:  # noqa: ARG002 (nothing is sent)
        """Return the one client, as registries ask for theirs."""
        return self.client

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        told = [value for _, value in request.headers.raw if SECRET.encode() in value]
        if told and self._home is not None:
            assert (request.url.scheme, request.url.host) == ("https", self._home)
        self.asked += 1
        if self.asked > len(self._answers):
            return httpx2.Response(404, stream=_Body(b""))
        answer = self._answers[self.asked - 1]
        body = _Body(b"" if request.method == "HEAD" else answer.body)
        return httpx2.Response(answer.status, headers=answer.headers, stream=body)


class _Body(httpx2.SyncByteStream):
    """A body in pieces, as it comes from a network."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        half = len(self._content) // 2
        yield from (piece for piece in (self._content[:half], self._content[half:]) if piece)


def written(body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """Write an answer, of which others are parts of an input."""
    lines = (f"\n{name}: {value}" for name, value in (headers or {}).items())
    return str(status).encode() + "".join(lines).encode() + b"\n\n" + body


def _linked(answers: Sequence[_Answer]) -> Sequence[_Answer]:
    """Put digests where they are announced, from the last answer to the first."""
    linked: list[_Answer] = []
    digests: dict[bytes, bytes] = {}
    for number in range(len(answers), 0, -1):
        answer = answers[number - 1]
        body = re.sub(rb"@[1-9]", lambda found: digests.get(found[0], found[0]), answer.body)
        digests[b"@%d" % number] = b"sha256:" + hashlib.sha256(body).hexdigest().encode()
        linked.insert(0, _Answer(status=answer.status, headers=answer.headers, body=body))
    return linked
