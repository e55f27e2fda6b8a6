"""How a vanished peer of a TCP connection is noticed."""

from __future__ import annotations

from typing import Final

LIVELY_TCP: Final = {
    "TCP_KEEPIDLE": 3,
    "TCP_KEEPINTVL": 2,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 9_000,  # milliseconds
}
"""Options of tcp(7) with which SO_KEEPALIVE notices within ten seconds that a peer has vanished.

Not every system has all of them.
"""
