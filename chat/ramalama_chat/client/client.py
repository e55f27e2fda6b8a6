"""OpenAI clients that connect to one model server and to no other."""

import socket
import ssl
from collections.abc import Sequence

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.endpoint import Endpoint, TcpEndpoint
from ramalama_chat.client.http_client import AsyncHttpClient, HttpClient
from ramalama_chat.client.transport import AsyncLocalTransport, LocalTransport
from ramalama_values.tcp import LIVELY_TCP

_CONNECT_TIMEOUT = 5.0

# The headers that the API needs; openai adds a description of this machine.
_HEADERS = frozenset(
    {"accept", "authorization", "connection", "content-length", "content-type", "host"}
)
_DEFAULT_HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}


class Client(openai.OpenAI):
    """The SDK's client, without the headers that OPENAI_* variables add for api.openai.com.

    They are not only superfluous: a value that no header carries would make every request fail.
    """

    @property
    def default_headers(self) -> dict[str, str | openai.Omit]:
        """The headers of every request."""
        return {**_DEFAULT_HEADERS}


class AsyncClient(openai.AsyncOpenAI):
    """The same as `Client`, asynchronous."""

    @property
    def default_headers(self) -> dict[str, str | openai.Omit]:
        """The headers of every request."""
        return {**_DEFAULT_HEADERS}


def open_client(endpoint: Endpoint, *, timeout: float | None = None) -> openai.OpenAI:
    """Return a client for the server at *endpoint*, without sending anything.

    *timeout* is the longest time in seconds without data during a request. None means no limit: a
    long prompt on a slow machine takes minutes before the first word.

    A forked child may go on with the client: it gets connections of its own.

    What the program asks with it raises OpenAI's errors; `chat_errors` turns them into ours. A
    request with ``stream=True`` whose answer is closed or cancelled frees the server at once. One
    without does not: llama-server goes on with it to its end, although its client has left. So
    stream, as a `ChatSession` does, what may be cancelled, or limit it with ``max_tokens``.
    """
    reveal_nothing = HeaderFilter(_key(endpoint))

    def open_http() -> HttpClient:
        transport = LocalTransport(endpoint, lively())
        return HttpClient(reveal_nothing, heir=open_http, transport=transport)

    return Client(
        api_key=reveal_nothing.api_key,
        base_url=endpoint.base_url,
        timeout=_timeout(timeout),
        max_retries=0,  # the session retries when that is safe
        http_client=open_http(),
    )


def open_async_client(endpoint: Endpoint, *, timeout: float | None = None) -> openai.AsyncOpenAI:
    """Return an asynchronous client; see `open_client`."""
    reveal_nothing = HeaderFilter(_key(endpoint))

    def open_http() -> AsyncHttpClient:
        transport = AsyncLocalTransport(endpoint, lively())
        return AsyncHttpClient(reveal_nothing, heir=open_http, transport=transport)

    return AsyncClient(
        api_key=reveal_nothing.api_key,
        base_url=endpoint.base_url,
        timeout=_timeout(timeout),
        max_retries=0,
        http_client=open_http(),
    )


class HeaderFilter:
    """Removes from each request the headers that the server does not need.

    It asks for no compression; see `ramalama_chat.client.bounds`.
    """

    def __init__(self, api_key: str | None) -> None:
        # The SDK requires a key. A server without a key ignores this word; any other rejects it.
        self.api_key = api_key or "none"

    def apply(self, request: httpx2.Request) -> None:
        """Keep only the headers of *request* that the API needs."""
        for name in set(request.headers) - _HEADERS:
            del request.headers[name]
        request.headers["authorization"] = f"Bearer {self.api_key}"
        request.headers["accept-encoding"] = "identity"

    async def apply_async(self, request: httpx2.Request) -> None:
        """Do the same as `apply`, for an asynchronous client."""
        self.apply(request)


def _key(endpoint: Endpoint) -> str | None:
    return endpoint.api_key if isinstance(endpoint, TcpEndpoint) else None


def _timeout(silence: float | None) -> httpx2.Timeout:
    return httpx2.Timeout(silence, connect=_CONNECT_TIMEOUT)


def lively() -> Sequence[tuple[int, int, int]]:
    """Return the options of a socket that notices when the server's host has vanished."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in LIVELY_TCP.items():
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


def no_tls() -> ssl.SSLContext:
    """Return a TLS context that trusts no certificate.

    An endpoint uses plain HTTP on this machine. By default httpx2 would read the list of public
    certificate authorities, which takes longer than the request.
    """
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
