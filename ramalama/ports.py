"""A free TCP port of this host."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Ask the kernel for a port of 127.0.0.1 that nobody uses at the moment.

    Only for a server that shares the host's network: everywhere else the engine picks.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
