"""Wait until a server has loaded its model or has ended."""

from __future__ import annotations

import socket
import time
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, assert_never

from ramalama.serving.request import raise_if_set
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint
from ramalama_chat.client.unix_socket import checked_socket

if TYPE_CHECKING:
    import threading

    from ramalama.serving.exit_watch import ExitPoll, ExitWatch
    from ramalama_chat.client.endpoint import Endpoint

# Until which second of waiting to pause for how many seconds. Short pauses at first, because the
# first token waits for them; later, the load of polling matters more.
_PAUSES = ((1.0, 0.005), (10.0, 0.02), (float("inf"), 0.1))
_PROBE_TIMEOUT = 5.0

READY = 200
"""The HTTP status of a server that has loaded its model."""

LOADING = 503
"""The HTTP status of a server that still loads its model."""


def wait_until_ready(
    endpoint: Endpoint,
    path: str,
    watch: ExitWatch | ExitPoll,
    *,
    timeout: float | None,
    cancel: threading.Event | None = None,
) -> bool:
    """Request *path* until the status is 200; return False if the container ends before that.

    *timeout* is in seconds; None waits without limit.

    Raises:
        StartCancelled: *cancel* was set.
        TimeoutError: the time is over, and the container still runs.
    """
    began = time.monotonic()
    while not watch.ended:
        raise_if_set(cancel)
        if probe(endpoint, path) == READY:
            return True
        waited = time.monotonic() - began
        if timeout is not None and waited >= timeout:
            raise TimeoutError
        watch.wait(next(pause for until, pause in _PAUSES if waited < until))
    return False


def probe(endpoint: Endpoint, path: str) -> int | None:
    """Request *path* once and return the HTTP status; None if the server does not answer."""
    connection = _connection(endpoint)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def _connection(endpoint: Endpoint) -> HTTPConnection:
    match endpoint:
        case UnixEndpoint():
            return _UnixConnection(endpoint.path)
        case TcpEndpoint():
            return HTTPConnection(endpoint.host, endpoint.port, timeout=_PROBE_TIMEOUT)
        case _:
            assert_never(endpoint)


class _UnixConnection(HTTPConnection):
    """HTTP over a UNIX socket, which the standard library does not offer."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_PROBE_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_PROBE_TIMEOUT)
        with checked_socket(self._path) as path:
            self.sock.connect(path)
