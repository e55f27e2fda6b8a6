"""Asking servers for small things: manifests, listings, tokens.

Large things are `ramalama.download`'s. HTTP/1.1 only: over HTTP/2, uploads of this library take
many times as long, and one malformed answer ends all requests on the connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2

from ramalama._version import __version__

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

USER_AGENT = f"ramalama/{__version__}"

_CONNECT_TIMEOUT = 10.0
_SILENCE = 30.0  # seconds; a server that says nothing for so long has gone
_CONNECTIONS = 16
_MOST_REDIRECTS = 10
_LARGEST_ANSWER = 32 * 1024 * 1024


class AnswerTooLong(Exception):
    """The server sends more than such an answer can sensibly have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said.

    Attributes:
        url: that answered in the end, after redirects.
        headers: names in lower case.
    """

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the request was granted."""
        return 200 <= self.status < 300  # noqa: PLR2004 (HTTP's own numbers)


def open_http(*, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
    """Return a client for the world outside; safe for several threads, to be closed in the end.

    Proxies and private certificate authorities are the environment's (``HTTPS_PROXY``,
    ``NO_PROXY``, ``SSL_CERT_FILE``). After a redirect to another host, credentials stay behind.
    """
    return httpx2.Client(
        verify=verify,
        http2=False,
        timeout=httpx2.Timeout(_SILENCE, connect=_CONNECT_TIMEOUT),
        limits=httpx2.Limits(max_connections=_CONNECTIONS),
        follow_redirects=True,
        max_redirects=_MOST_REDIRECTS,
        headers={"user-agent": USER_AGENT, "accept-encoding": "identity"},
        trust_env=True,
    )


def ask(
    client: httpx2.Client,
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    limit: int = _LARGEST_ANSWER,
) -> Answer:
    """Make one request and read all of a small answer, at most *limit* bytes.

    Raises:
        httpx2.HTTPError, httpx2.InvalidURL: it could not be made, or broke off.
        AnswerTooLong: there is more.
    """
    with client.stream(method, url, headers=headers) as response:
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > limit:
                msg = f"the answer of {response.url.host} is longer than {limit} bytes"
                raise AnswerTooLong(msg)
    return Answer(
        status=response.status_code,
        url=str(response.url),
        headers={name.lower(): value for name, value in response.headers.items()},
        body=bytes(body),
    )
