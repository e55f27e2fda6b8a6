"""Where a model server listens."""

from dataclasses import field
from typing import TypeAlias

from ramalama_values import frozen

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts that are this machine: what is sent there passes no network, and no proxy."""


@frozen(kw_only=False)
class UnixEndpoint:
    """A server on the UNIX socket at *path*; who may connect, the socket's directory decides."""

    path: str

    @property
    def base_url(self) -> str:
        """The API's URL; its host is a mere form, since the socket is the address."""
        return "http://localhost/v1"

    def __str__(self) -> str:
        return f"unix://{self.path}"


@frozen(kw_only=False)
class TcpEndpoint:
    """A server on a TCP port; None for *api_key* where the server asks for none."""

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
