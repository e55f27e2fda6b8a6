"""Asking servers for small things: manifests, listings, tokens.

Large things are `ramalama.models.download`'s. HTTP/1.1 only: over HTTP/2, uploads of this library
take many times as long, and one malformed answer ends all requests on the connection.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2

from ramalama._version import __version__
from ramalama.models.http.retry import (
    TRANSIENT_STATUSES,
    RetryPolicy,
    TransientError,
    asked_pause,
    transient_errors,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator, Iterable, Mapping

_log = logging.getLogger("ramalama.http")

USER_AGENT = f"ramalama/{__version__}"

_CONNECT_TIMEOUT = 10.0
_SILENCE = 30.0  # seconds; a server that says nothing for so long has gone
_CONNECTIONS = 16
_MOST_REDIRECTS = 10
_LARGEST_ANSWER = 32 * 1024 * 1024
_PATIENCE = RetryPolicy()

# What may be told to another host than the one it was meant for.
_TRAVELLING = frozenset({"accept", "accept-encoding", "range", "if-range"})
# A redirect whose body is not over after so many pieces costs us the connection.
_PIECES_OF_REDIRECT = 4


class AnswerTooLong(Exception):
    """The server sends more than such an answer can sensibly have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
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


class _TransientAnswer(TransientError):
    def __init__(self, answer: HttpAnswer) -> None:
        super().__init__(f"it answers {answer.status}", pause=asked_pause(answer.headers))
        self.answer = answer


def open_http(*, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
    """Return a client for the world outside; safe for several threads, to be closed in the end.

    Proxies and private certificate authorities are the environment's (``HTTPS_PROXY``,
    ``NO_PROXY``, ``SSL_CERT_FILE``).
    """
    return httpx2.Client(
        verify=verify,
        http2=False,
        timeout=httpx2.Timeout(_SILENCE, connect=_CONNECT_TIMEOUT),
        limits=httpx2.Limits(max_connections=_CONNECTIONS),
        headers={"user-agent": USER_AGENT, "accept-encoding": "identity"},
        trust_env=True,
    )


def ask(  # noqa: PLR0913 (what a request consists of)
    client: httpx2.Client,
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    limit: int = _LARGEST_ANSWER,
    retry_policy: RetryPolicy = _PATIENCE,
    silence: float = _SILENCE,
) -> HttpAnswer:
    """Read all of a small answer, at most *limit* bytes; ask again where that may help.

    A server that says nothing for *silence* seconds has gone.

    The answer may be a refusal, also one of those that pass, if it did not within *patience*.

    Raises:
        httpx2.HTTPError, httpx2.InvalidURL: there was none, or it broke off, each time.
        AnswerTooLong: there is more.
    """
    how = {"timeout": httpx2.Timeout(silence, connect=_CONNECT_TIMEOUT).as_dict()}

    def once() -> HttpAnswer:
        with transient_errors():
            asked = opened(client, method, url, headers=headers, extensions=how)
            with asked as response:
                answer = _read(response, limit)
        if answer.status in TRANSIENT_STATUSES:
            raise _TransientAnswer(answer)
        return answer

    try:
        return retry_policy.retrying(_note(url, retry_policy))(once)
    except _TransientAnswer as exc:
        return exc.answer
    except TransientError as exc:
        failure = exc.__cause__ or exc
    # Raised out here: in there, it would become its own context.
    raise failure


def _note(url: str, retry_policy: RetryPolicy) -> Callable[[TransientError, float], None]:
    """Make what tells and logs that *url* is asked again, of which only the host is no secret."""
    server = httpx2.URL(url)

    def note(failure: TransientError, pause: float) -> None:
        _log.info("asking %s again in %.1f s: %s", server.host, pause, failure)
        retry_policy.tell(f"{server.netloc.decode()} cannot be asked: {failure}", pause)

    return note


def send(
    client: httpx2.Client,
    method: str,
    url: str,
    *,
    content: bytes | Iterable[bytes],
    headers: Mapping[str, str] | None = None,
) -> HttpAnswer:
    """Make one request with a body and read the answer, which is short.

    No redirect is followed: what is sent is for this server alone. With an iterable, *headers*
    should hold ``content-length``; many servers take nothing whose end they do not know.

    Raises:
        httpx2.HTTPError, httpx2.InvalidURL: it could not be made, or broke off.
        AnswerTooLong: see `ask`.
    """
    request = client.build_request(method, url, content=content, headers=headers)
    response = _sent(client, request)
    try:
        return _read(response, _LARGEST_ANSWER)
    finally:
        response.close()


@contextmanager
def opened(
    client: httpx2.Client,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    extensions: Mapping[str, object] | None = None,
) -> Generator[httpx2.Response]:
    """Make a request and lend the answer, its body unread; redirects are followed.

    All that another host hears of *headers* is what kind and which part of it we want.
    *extensions* are the library's, ``timeout`` and ``trace``.

    Raises:
        httpx2.HTTPError, httpx2.InvalidURL: there is no answer.
    """
    told = dict(headers or {})
    for _ in range(_MOST_REDIRECTS + 1):
        request = client.build_request(method, url, headers=told, extensions=dict(extensions or {}))
        response = _sent(client, request)
        try:
            if not response.has_redirect_location:
                yield response
                return
            following = _next_request(response)
        finally:
            response.close()
        if following.url.origin != request.url.origin:
            told = {name: told[name] for name in told if name.lower() in _TRAVELLING}
        method, url = following.method, str(following.url)
    msg = f"more than {_MOST_REDIRECTS} redirects"
    raise httpx2.TooManyRedirects(msg)


def _sent(client: httpx2.Client, request: httpx2.Request) -> httpx2.Response:
    """Send *request*, and return the answer, its body unread."""
    try:
        return client.send(request, stream=True, follow_redirects=False)
    except ValueError as exc:  # httpx2 2.12 joins ":x:y" to a URL that has no host
        msg = "a redirect to what is no URL"
        raise httpx2.RemoteProtocolError(msg) from exc


def _next_request(redirect: httpx2.Response) -> httpx2.Request:
    """Read where a redirect leads, and its body, so that the connection can be used again."""
    for number, _ in enumerate(redirect.iter_raw(), 1):
        if number == _PIECES_OF_REDIRECT:
            break
    if redirect.next_request is None:
        msg = "a redirect to what is no URL"
        raise httpx2.RemoteProtocolError(msg)
    return redirect.next_request


def _read(response: httpx2.Response, limit: int) -> HttpAnswer:
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > limit:
            msg = f"the answer of {response.url.host} is longer than {limit} bytes"
            raise AnswerTooLong(msg)
    return HttpAnswer(
        status=response.status_code,
        url=str(response.url),
        headers={name.lower(): value for name, value in response.headers.items()},
        body=bytes(body),
    )
