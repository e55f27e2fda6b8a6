"""The way to an engine through a UNIX socket of this host."""

from __future__ import annotations

import socket

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.rest.http import socket_path


class UnixRoute:
    """The way to the engine that listens at the socket *path*; meets `Route`."""

    def __init__(self, path: str) -> None:
        self._path = path

    @property
    def url(self) -> str:
        """The address of the engine."""
        return f"unix://{self._path}"

    @property
    def socket_path(self) -> str:
        """The path of the socket."""
        return self._path

    @property
    def ssh(self) -> None:
        """No host: the way does not lead over ssh."""
        return

    def dial(self, timeout: float | None) -> socket.socket:
        """Return a new connection, whose operations time out after *timeout* seconds."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            connection.connect(self._path)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Do nothing: each connection belongs to its caller."""


def unix_route(url: str, *, engine: str) -> UnixRoute:
    """Return the way to the *engine* at a ``unix://`` URL.

    Raises:
        EngineUnavailable: it is another URL, which needs a `Route` of its own.
    """
    path = socket_path(url)
    if path is None:
        msg = f"{engine} at {url}: only unix:// is supported without a route"
        raise EngineUnavailable(msg, engine=engine)
    return UnixRoute(path)
