"""Find a free TCP port of this host."""

from __future__ import annotations

import socket

from ramalama.errors import OptionRefused


def free_port(asked: int | None = None) -> int:
    """Return the port *asked* of 127.0.0.1 if it is free; None lets the kernel choose a free one.

    This is only for a server that shares the host's network; otherwise the engine chooses and
    checks the port. If another process had the port, it would get the prompts and the API key.

    Raises:
        OptionRefused: the port is in use, or this user may not use it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers set it
        try:
            probe.bind(("127.0.0.1", asked or 0))
        except OSError as exc:
            msg = f"port {asked} of 127.0.0.1 cannot be used: {exc.strerror}"
            raise OptionRefused(msg) from exc
        port: int = probe.getsockname()[1]
        return port
