"""A TCP port of this host."""

from __future__ import annotations

import socket

from ramalama.errors import OptionRefused


def free_port(asked: int | None = None) -> int:
    """Make sure that nobody uses the port *asked* of 127.0.0.1; None lets the kernel choose one.

    Only for a server that shares the host's network: everywhere else the engine picks, and sees
    to it. Whoever had the port would be sent the prompts, and the key, in the server's stead.

    Raises:
        OptionRefused: it is in use, or not for this user.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            probe.bind(("127.0.0.1", asked or 0))
        except OSError as exc:
            msg = f"port {asked} of 127.0.0.1 cannot be had: {exc.strerror}"
            raise OptionRefused(msg) from exc
        port: int = probe.getsockname()[1]
        return port
