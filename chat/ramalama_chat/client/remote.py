"""Open a client for a model server at a URL: any server that offers the OpenAI API."""

import os
import re
import ssl
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from urllib.parse import SplitResult, urlsplit

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.client import AsyncClient, Client, HeaderFilter, lively, no_tls
from ramalama_chat.client.context_size import read_models
from ramalama_chat.client.endpoint import LOOPBACK, Endpoint, TcpEndpoint, UnixEndpoint
from ramalama_chat.client.failures import answer_errors, opening_errors
from ramalama_chat.client.http_client import AsyncHttpClient, HttpClient
from ramalama_chat.client.requests import get_json, send_patiently
from ramalama_chat.client.transport import AsyncLocalTransport, LocalTransport
from ramalama_chat.errors import ChatError, InputRefused
from ramalama_values.text import one_line

_CONNECT_TIMEOUT = 10.0
_HEADER_WORD = "[!-~]+"


def open_remote(
    url: str, *, api_key: str | None = None, timeout: float | None = None
) -> openai.OpenAI:
    """Return a client for the server at *url*: ``http(s)://host[:port][/v1]``, ``unix:///socket``.

    Nothing is sent yet. *timeout* is the longest time in seconds without data during a request.
    Each request carries the key, but no other header that is meant for OpenAI's own service.
    Proxies of the environment are used, except for this machine. Redirects are not followed, since
    their target would get the key. A forked child may go on with the client; see `open_client`.

    Raises:
        InputRefused: *url* is none of these, *api_key* cannot be sent in a header, or the
        environment
            names a proxy that is not valid.

    """
    parts, header_filter = _checked(url, api_key)

    def open_http() -> HttpClient:
        endpoint = _endpoint(parts)
        with _proxy_errors():
            return HttpClient(
                header_filter,
                heir=open_http,
                transport=None if endpoint is None else LocalTransport(endpoint, lively()),
                verify=_tls(parts),
                trust_env=endpoint is None,
            )

    return Client(
        api_key=header_filter.api_key,
        base_url=_base_url(parts),
        timeout=httpx2.Timeout(timeout, connect=_CONNECT_TIMEOUT),
        max_retries=0,  # the session retries when that is safe
        http_client=open_http(),
    )


def open_async_remote(
    url: str, *, api_key: str | None = None, timeout: float | None = None
) -> openai.AsyncOpenAI:
    """Return an asynchronous client for the server at *url*; see `open_remote`."""
    parts, header_filter = _checked(url, api_key)

    def open_http() -> AsyncHttpClient:
        endpoint = _endpoint(parts)
        with _proxy_errors():
            return AsyncHttpClient(
                header_filter,
                heir=open_http,
                transport=None if endpoint is None else AsyncLocalTransport(endpoint, lively()),
                verify=_tls(parts),
                trust_env=endpoint is None,
            )

    return AsyncClient(
        api_key=header_filter.api_key,
        base_url=_base_url(parts),
        timeout=httpx2.Timeout(timeout, connect=_CONNECT_TIMEOUT),
        max_retries=0,
        http_client=open_http(),
    )


def choose_key(url: str, env: Mapping[str, str]) -> str | None:
    """Return RAMALAMA_API_KEY, or else OPENAI_API_KEY if it stays on this machine or is encrypted.

    Raises:
        InputRefused: *url* is not a server's address; see `open_remote`.

    """
    parts = _split(url)
    in_clear = parts.scheme == "http" and parts.hostname not in LOOPBACK
    general = "" if in_clear else env.get("OPENAI_API_KEY", "")
    return env.get("RAMALAMA_API_KEY") or general or None


def choose_model(
    client: openai.OpenAI, name: str | None, *, on_loading: Callable[[], None] = lambda: None
) -> str:
    """Return *name*, or the name of the server's only model if *name* is None.

    A server that still loads its model is waited for; see `send_patiently`.

    Raises:
        InputRefused: the server has several models, and *name* is None.
        ChatError: there is no such server, or it has no list of models.

    """
    if name is not None:
        return name

    def ask() -> object:
        with opening_errors():
            return get_json(client, "/models")

    with answer_errors():
        answer = send_patiently(ask, on_loading)
        models = [
            model for entry in read_models(answer) if isinstance(model := entry.get("id"), str)
        ]
    if not models:
        msg = f"{client.base_url} lists no models: is it a model server? If so, use --model"
        raise ChatError(msg)
    if len(models) > 1:
        msg = f"the server has several models, choose one by --model: {one_line(', '.join(models))}"
        raise InputRefused(msg)
    return models[0]


def _split(given: object) -> SplitResult:
    url = given if isinstance(given, str) else repr(given)
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError if it is not a number
    except ValueError:
        parts = urlsplit("")
    if parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc:
        return parts
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme in ("http", "https") and parts.hostname and plain and _is_usable(url):
        return parts
    shown = one_line(url.rpartition("@")[2])  # a password may stand before the "@"
    msg = f"{shown!r} is not a server's address: use http(s)://host:port or unix:///path/of/socket"
    raise InputRefused(msg)


def _is_usable(url: str) -> bool:
    """Return whether the client and the resolver accept *url*."""
    try:
        return bool(httpx2.URL(url).raw_host.decode("ascii").encode("idna"))
    except (httpx2.InvalidURL, UnicodeError):
        return False


def _checked(url: str, api_key: str | None) -> tuple[SplitResult, HeaderFilter]:
    parts = _split(url)
    if re.fullmatch(_HEADER_WORD, api_key or "none") is None:
        msg = "the API key has characters that an HTTP header cannot carry, such as a space"
        raise InputRefused(msg)
    return parts, HeaderFilter(api_key)


@contextmanager
def _proxy_errors() -> Generator[None]:
    try:
        yield
    except ImportError as exc:
        msg = "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is a SOCKS proxy, which needs another package"
        raise InputRefused(msg, hint='install "ramalama[socks]", or the package socksio') from exc
    except (httpx2.InvalidURL, ValueError) as exc:
        # The exception's message may contain a password.
        msg = "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is not an http://, https:// or socks5:// proxy"
        raise InputRefused(msg) from exc


def _tls(parts: SplitResult) -> ssl.SSLContext:
    return ssl.create_default_context() if parts.scheme == "https" else no_tls()


def _base_url(parts: SplitResult) -> str:
    if parts.scheme == "unix":
        return "http://localhost/v1"  # a placeholder host: the socket is the address
    return parts.geturl() if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/v1"


def _endpoint(parts: SplitResult) -> Endpoint | None:
    """Return the address of a server on this host without TLS; None for others."""
    if parts.scheme == "unix":
        return UnixEndpoint(os.path.realpath(parts.path))  # the user's own links are followed
    if parts.scheme == "http" and parts.hostname in LOOPBACK:
        return TcpEndpoint(parts.hostname, parts.port or 80)
    return None
