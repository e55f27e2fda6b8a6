"""The way to the API of an engine through ssh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_engines.ssh.asking import Ask, ask_on_terminal
from ramalama_engines.ssh.host import ForwardingHost
from ramalama_engines.ssh.target import SshTarget

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from ramalama_engines.address import EngineAddress
    from ramalama_engines.route import SshHost


class SshRoute:
    """A `Route` through ssh, whose connection is opened when it is first needed.

    *sockets* returns the path of a directory for sockets, which is created when one is forwarded
    and removed at the end. *ask* asks the user for a passphrase, or whether to trust a host.

    Raises:
        EngineUnavailable: *address* is not valid.
    """

    def __init__(
        self,
        address: EngineAddress,
        sockets: Callable[[], Path],
        *,
        ask: Ask = ask_on_terminal,
    ) -> None:
        self._target = SshTarget.parse(address.url)
        self._host = ForwardingHost(address, self._target, sockets, ask=ask)

    @property
    def url(self) -> str:
        """The address of the engine, without a password."""
        return self._target.url

    @property
    def socket_path(self) -> None:
        """None: the engine's socket is not on this host."""
        return

    @property
    def ssh(self) -> SshHost:
        """The host of the engine."""
        return self._host

    def dial(self, timeout: float | None) -> socket.socket:
        """Return a new connection to the API, whose operations time out after *timeout* seconds.

        Raises:
            EngineUnavailable: no connection is possible.
        """
        connection = self._host.dial_engine()
        connection.settimeout(timeout)
        return connection

    def close(self) -> None:
        """Close the connection to the host of the engine, if there is one."""
        self._host.close()
