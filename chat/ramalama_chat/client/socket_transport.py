"""HTTP for OpenAI clients over a UNIX socket that a container may have replaced."""

from collections.abc import Iterable
from typing import cast

import httpcore2
import httpx2

from ramalama_chat.client.endpoint import checked_socket

_MOST_CONNECTIONS = 100
_MOST_IDLE = 20
_IDLE_SECONDS = 5.0

_Options = Iterable[httpcore2.SOCKET_OPTION]


class SocketTransport(httpx2.HTTPTransport):
    """Connects to the socket at *path*, and never to where a link in its place leads."""

    def __init__(self, path: str) -> None:
        super().__init__(verify=False)
        self._pool = httpcore2.ConnectionPool(
            uds=path,
            max_connections=_MOST_CONNECTIONS,
            max_keepalive_connections=_MOST_IDLE,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=_Backend(),
        )


class AsyncSocketTransport(httpx2.AsyncHTTPTransport):
    """Does the same as `SocketTransport`, for an asynchronous client."""

    def __init__(self, path: str) -> None:
        super().__init__(verify=False)
        self._pool = httpcore2.AsyncConnectionPool(
            uds=path,
            max_connections=_MOST_CONNECTIONS,
            max_keepalive_connections=_MOST_IDLE,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=_AsyncBackend(),
        )


class _Backend(httpcore2.SyncBackend):
    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: _Options | None = None
    ) -> httpcore2.NetworkStream:
        try:
            with checked_socket(path) as checked:
                return super().connect_unix_socket(checked, timeout, socket_options)
        except OSError as exc:
            raise httpcore2.ConnectError(exc) from exc


class _AsyncBackend(httpcore2.AsyncNetworkBackend):
    def __init__(self) -> None:
        # pyright takes it for the stand-in that httpcore2 has for a missing anyio.
        self._any = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - as in the base class
        socket_options: _Options | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            with checked_socket(path) as checked:
                return await self._any.connect_unix_socket(checked, timeout, socket_options)
        except OSError as exc:
            raise httpcore2.ConnectError(exc) from exc

    async def sleep(self, seconds: float) -> None:
        await self._any.sleep(seconds)
