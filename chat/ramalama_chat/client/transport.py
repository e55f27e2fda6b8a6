"""HTTP for OpenAI clients to a server on this host.

No connection is kept for another request: connecting takes microseconds here, and a server may
close an idle connection just when the next request is sent on it.
"""

from collections.abc import AsyncIterator, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, cast

import httpcore2
import httpx2

from ramalama_chat.client.endpoint import Endpoint, UnixEndpoint, checked_socket
from ramalama_chat.client.inherited import forget_in_children

_MOST_CONNECTIONS = 100

_Options = Iterable[httpcore2.SOCKET_OPTION]


class LocalTransport(httpx2.BaseTransport):
    """Connects to *endpoint*: to a socket itself, and never to where a link in its place leads."""

    def __init__(
        self, endpoint: Endpoint, socket_options: Sequence[httpcore2.SOCKET_OPTION] = ()
    ) -> None:
        self._pool = httpcore2.ConnectionPool(
            uds=_path(endpoint),
            max_connections=_MOST_CONNECTIONS,
            max_keepalive_connections=0,
            network_backend=_Backend(),
            socket_options=None if isinstance(endpoint, UnixEndpoint) else socket_options,
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send *request*, and return the response once its head has come."""
        with _httpx_errors():
            answer = self._pool.handle_request(_request(request))
        return _response(answer, _Body(answer))

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class AsyncLocalTransport(httpx2.AsyncBaseTransport):
    """Does the same as `LocalTransport`, for an asynchronous client."""

    def __init__(
        self, endpoint: Endpoint, socket_options: Sequence[httpcore2.SOCKET_OPTION] = ()
    ) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            uds=_path(endpoint),
            max_connections=_MOST_CONNECTIONS,
            max_keepalive_connections=0,
            network_backend=_AsyncBackend(),
            socket_options=None if isinstance(endpoint, UnixEndpoint) else socket_options,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send *request*, and return the response once its head has come."""
        with _httpx_errors():
            answer = await self._pool.handle_async_request(_request(request))
        return _response(answer, _AsyncBody(answer))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


def _path(endpoint: Endpoint) -> str | None:
    return endpoint.path if isinstance(endpoint, UnixEndpoint) else None


def _request(request: httpx2.Request) -> httpcore2.Request:
    url = request.url
    return httpcore2.Request(
        method=request.method,
        url=httpcore2.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        ),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


def _response(
    answer: httpcore2.Response, body: httpx2.SyncByteStream | httpx2.AsyncByteStream
) -> httpx2.Response:
    return httpx2.Response(
        status_code=answer.status,
        headers=answer.headers,
        stream=body,
        extensions=cast("_Extended", answer).extensions,
    )


class _Extended(Protocol):
    """A response of httpcore2, whose annotations say less."""

    extensions: dict[str, object]


class _Body(httpx2.SyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _httpx_errors():
            yield from cast("Iterable[bytes]", self._answer.stream)

    def close(self) -> None:
        self._answer.close()


class _AsyncBody(httpx2.AsyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors():
            async for piece in cast("AsyncIterator[bytes]", self._answer.stream):
                yield piece

    async def aclose(self) -> None:
        await self._answer.aclose()


_CORE_ERRORS = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
)


@contextmanager
def _httpx_errors() -> Generator[None]:
    """Turn the errors of httpcore2 into those of httpx2, which have the same names."""
    try:
        yield
    except _CORE_ERRORS as exc:
        error = cast("type[httpx2.TransportError]", getattr(httpx2, type(exc).__name__))
        raise error(str(exc)) from exc


class _Backend(httpcore2.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: _Options | None = None,
    ) -> httpcore2.NetworkStream:
        return forget_in_children(
            super().connect_tcp(host, port, timeout, local_address, socket_options)
        )

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: _Options | None = None
    ) -> httpcore2.NetworkStream:
        try:
            with checked_socket(path) as checked:
                stream = super().connect_unix_socket(checked, timeout, socket_options)
        except OSError as exc:
            raise httpcore2.ConnectError(exc) from exc
        return forget_in_children(stream)


class _AsyncBackend(httpcore2.AsyncNetworkBackend):
    def __init__(self) -> None:
        # pyright takes it for the stand-in that httpcore2 has for a missing anyio.
        self._any = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as in the base class
        local_address: str | None = None,
        socket_options: _Options | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        return forget_in_children(
            await self._any.connect_tcp(host, port, timeout, local_address, socket_options)
        )

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - as in the base class
        socket_options: _Options | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            with checked_socket(path) as checked:
                stream = await self._any.connect_unix_socket(checked, timeout, socket_options)
        except OSError as exc:
            raise httpcore2.ConnectError(exc) from exc
        return forget_in_children(stream)

    async def sleep(self, seconds: float) -> None:
        await self._any.sleep(seconds)
