"""The address of a model server: a UNIX socket or a TCP port."""

from dataclasses import field
from typing import TypeAlias

from ramalama_values import frozen

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts that are this machine; requests to them use no network and no proxy."""


@frozen(kw_only=False)
class UnixEndpoint:
    """A server on the UNIX socket at *path*; access is controlled by the socket's directory."""

    path: str

    @property
    def base_url(self) -> str:
        """The API's URL; its host is a placeholder, since the socket is the address."""
        return "http://localhost/v1"

    def __str__(self) -> str:
        return f"unix://{self.path}"


@frozen(kw_only=False)
class TcpEndpoint:
    """A server on a TCP port; *api_key* is None if the server needs no key."""

    host: str
    port: int
    api_key: str | None = field(default=None, repr=False)

    @property
    def base_url(self) -> str:
        """The API's URL."""
        return f"http://{self}/v1"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Endpoint: TypeAlias = UnixEndpoint | TcpEndpoint
