"""OpenAI clients that talk to one model server, and to nobody else."""

import ssl

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.endpoint import Endpoint, TcpEndpoint, UnixEndpoint

_CONNECT_TIMEOUT = 5.0

# What the API needs. openai adds more: the user's organisation and whatever
# OPENAI_CUSTOM_HEADERS holds, meant for api.openai.com, and a description of this machine.
_HEADERS = frozenset(
    {"accept", "authorization", "connection", "content-length", "content-type", "host"}
)


def open_client(endpoint: Endpoint, *, timeout: float | None = None) -> openai.OpenAI:
    """Return a client for the server at *endpoint*; nothing is sent yet.

    *timeout* is the longest silence in the middle of a request, in seconds. None waits for ever:
    a long prompt on a slow machine takes minutes before the first word.
    """
    reveal_nothing = HeaderFilter(_key(endpoint))
    return openai.OpenAI(
        api_key=reveal_nothing.api_key,
        base_url=endpoint.base_url,
        timeout=_timeout(timeout),
        max_retries=0,  # the session retries, and knows when that is safe
        http_client=httpx2.Client(
            transport=httpx2.HTTPTransport(uds=_socket(endpoint), verify=no_tls()),
            trust_env=False,  # no proxy and no .netrc lies between us and a server of our own
            follow_redirects=False,
            event_hooks={"request": [reveal_nothing.apply]},
        ),
    )


def open_async_client(endpoint: Endpoint, *, timeout: float | None = None) -> openai.AsyncOpenAI:
    """Return the asynchronous twin of what `open_client` returns."""
    reveal_nothing = HeaderFilter(_key(endpoint))
    return openai.AsyncOpenAI(
        api_key=reveal_nothing.api_key,
        base_url=endpoint.base_url,
        timeout=_timeout(timeout),
        max_retries=0,
        http_client=httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=_socket(endpoint), verify=no_tls()),
            trust_env=False,
            follow_redirects=False,
            event_hooks={"request": [reveal_nothing.apply_async]},
        ),
    )


class HeaderFilter:
    """Takes from each request what the server has no business knowing."""

    def __init__(self, api_key: str | None) -> None:
        # The SDK insists on a key; where the server does, this word opens nothing.
        self.api_key = api_key or "none"

    def apply(self, request: httpx2.Request) -> None:
        """Leave *request* the headers that the API needs."""
        for name in set(request.headers) - _HEADERS:
            del request.headers[name]
        request.headers["authorization"] = f"Bearer {self.api_key}"

    async def apply_async(self, request: httpx2.Request) -> None:
        """Do the same for an asynchronous client."""
        self.apply(request)


def _key(endpoint: Endpoint) -> str | None:
    return endpoint.api_key if isinstance(endpoint, TcpEndpoint) else None


def _socket(endpoint: Endpoint) -> str | None:
    return endpoint.path if isinstance(endpoint, UnixEndpoint) else None


def _timeout(silence: float | None) -> httpx2.Timeout:
    return httpx2.Timeout(silence, connect=_CONNECT_TIMEOUT)


def no_tls() -> ssl.SSLContext:
    """Return a context that trusts nobody.

    An endpoint speaks plain HTTP, on this machine. Left to itself httpx2 would read the list of
    the world's certificate authorities, which takes longer than the request.
    """
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
