"""Request small things from servers: manifests, lists, tokens.

Large files are for `ramalama.models.download`. Only HTTP/1.1 is used: over HTTP/2, uploads of this
library take many times as long, and one malformed response ends all requests on the connection.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx2

from ramalama._version import __version__
from ramalama.models.http.environment import transports, trusted_authorities
from ramalama.models.http.failures import (
    DEFAULT_RETRY_POLICY,
    TRANSIENT_STATUSES,
    AnswerTooLong,
    RetryPolicy,
    TransientError,
    asked_pause,
    refuse_downgrade,
    transient_errors,
    translated,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator, Iterable, Mapping


_log = logging.getLogger("ramalama.http")

USER_AGENT = f"ramalama/{__version__}"

_CONNECT_TIMEOUT = 10.0
_SILENCE = 30.0  # seconds; a server that sends nothing for so long counts as gone
_SLOWEST = 1024  # bytes per second, beyond the first so many seconds
_CONNECTIONS = 16
_MOST_REDIRECTS = 10
_LARGEST_ANSWER = 32 * 1024 * 1024


# The only headers that another host may get after a redirect.
_FOR_EVERY_HOST = frozenset({"accept", "accept-encoding", "range", "if-range"})
# If a redirect has a longer body, its connection is closed instead of being reused.
_PIECES_OF_REDIRECT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """A server's answer.

    Attributes:
        url: the URL that answered in the end, after redirects.
        headers: names in lower case.
    """

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is a success."""
        return 200 <= self.status < 300  # noqa: PLR2004 (HTTP's own numbers)


class _TransientAnswer(TransientError):
    def __init__(self, answer: HttpAnswer) -> None:
        super().__init__(f"it answers {answer.status}", pause=asked_pause(answer.headers))
        self.answer = answer


def open_http(*, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
    """Return a client for other hosts; safe for several threads. The caller must close it.

    Proxies and private certificate authorities come from the environment (``HTTPS_PROXY``,
    ``NO_PROXY``, ``SSL_CERT_FILE``).

    Raises:
        ConfigError: ``SSL_CERT_FILE`` does not name certificates. A request raises it, too, if its
            proxy cannot be used.
    """
    context = trusted_authorities(verify=verify) if isinstance(verify, bool) else verify
    mounts = transports(context)
    return httpx2.Client(
        verify=context,
        mounts=mounts,
        http2=False,
        timeout=httpx2.Timeout(_SILENCE, connect=_CONNECT_TIMEOUT),
        limits=httpx2.Limits(max_connections=_CONNECTIONS),
        headers={"user-agent": USER_AGENT, "accept-encoding": "identity"},
        trust_env=mounts is None,
    )


def ask(  # noqa: PLR0913 (the parts of a request)
    client: httpx2.Client,
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    limit: int = _LARGEST_ANSWER,
    retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY,
    silence: float = _SILENCE,
) -> HttpAnswer:
    """Request a small answer of at most *limit* bytes; retry after transient errors.

    A server that sends nothing for *silence* seconds counts as gone. The answer may be an error
    status, even a transient one if it persists in all attempts of *retry_policy*.

    Raises:
        httpx2.HTTPError, httpx2.InvalidURL: there was no complete answer in any attempt.
        AnswerTooLong: the answer is longer than *limit*.
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
    # Raised outside the handler, or it would become its own context.
    raise failure


def ask_server(
    client: httpx2.Client,
    url: str,
    *,
    accept: str = "*/*",
    limit: int,
    retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY,
) -> HttpAnswer:
    """Return an answer of at most *limit* bytes, whatever its status.

    Raises:
        ModelPullError: there is no answer, or it would come from a server without TLS.
    """
    with translated(url):
        answer = ask(
            client, url, headers={"accept": accept}, limit=limit, retry_policy=retry_policy
        )
    refuse_downgrade(url, answer.url)
    return answer


def _note(url: str, retry_policy: RetryPolicy) -> Callable[[TransientError, float], None]:
    """Return a function that reports and logs a retry; only the host of *url* is not secret."""
    server = httpx2.URL(url)

    def note(failure: TransientError, pause: float) -> None:
        _log.info("retrying %s in %.1f s: %s", server.host, pause, failure)
        retry_policy.tell(f"{server.netloc.decode()} cannot be used: {failure}", pause)

    return note


def send(
    client: httpx2.Client,
    method: str,
    url: str,
    *,
    content: bytes | Iterable[bytes],
    headers: Mapping[str, str] | None = None,
) -> HttpAnswer:
    """Send one request with a body, and return the short answer.

    No redirect is followed, since the body is for this server only. With an iterable, *headers*
    should have ``content-length``; many servers reject a body of unknown length.

    Raises:
        httpx2.HTTPError, httpx2.InvalidURL: the request failed.
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
    """Send a request, following redirects, and yield the response with its body unread.

    After a redirect to another host, only the headers of *headers* that are not secret are sent.
    *extensions* are the library's, ``timeout`` and ``trace``.

    Raises:
        httpx2.HTTPError, httpx2.InvalidURL: there is no response.
    """
    sent = dict(headers or {})
    for _ in range(_MOST_REDIRECTS + 1):
        request = client.build_request(method, url, headers=sent, extensions=dict(extensions or {}))
        response = _sent(client, request)
        try:
            if not response.has_redirect_location:
                yield response
                return
            following = _next_request(response)
        finally:
            response.close()
        if following.url.origin != request.url.origin:
            sent = {name: sent[name] for name in sent if name.lower() in _FOR_EVERY_HOST}
        method, url = following.method, str(following.url)
    msg = f"more than {_MOST_REDIRECTS} redirects"
    raise httpx2.TooManyRedirects(msg)


def _sent(client: httpx2.Client, request: httpx2.Request) -> httpx2.Response:
    """Send *request*, and return the response with its body unread.

    Raises:
        httpx2.ProxyError: the proxy requires a password; over TLS httpx2 raises it by itself.
    """
    try:
        response = client.send(request, stream=True, follow_redirects=False)
    except ValueError as exc:  # httpx2 2.12 joins ":x:y" to a URL that has no host
        msg = "a redirect to something that is not a URL"
        raise httpx2.RemoteProtocolError(msg) from exc
    if response.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        response.close()
        msg = f"{response.status_code} {response.reason_phrase}"
        raise httpx2.ProxyError(msg, request=request)
    return response


def _next_request(redirect: httpx2.Response) -> httpx2.Request:
    """Return the request that a redirect asks for; read its body to reuse the connection."""
    for number, _ in enumerate(redirect.iter_raw(), 1):
        if number == _PIECES_OF_REDIRECT:
            break
    if redirect.next_request is None:
        msg = "a redirect to something that is not a URL"
        raise httpx2.RemoteProtocolError(msg)
    return redirect.next_request


def _read(response: httpx2.Response, limit: int) -> HttpAnswer:
    body = bytearray()
    began = time.monotonic()
    for piece in response.iter_bytes():
        body += piece
        if time.monotonic() - began > _SILENCE + len(body) / _SLOWEST:
            msg = "it sends almost nothing"
            raise httpx2.ReadError(msg)
        if len(body) > limit:
            msg = f"the answer of {response.url.host} is longer than {limit} bytes"
            raise AnswerTooLong(msg)
    return HttpAnswer(
        status=response.status_code,
        url=str(response.url),
        headers={name.lower(): value for name, value in response.headers.items()},
        body=bytes(body),
    )
