"""Wait until a server has loaded its model or has ended."""

from __future__ import annotations

import re
import socket
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, assert_never

from ramalama.serving.request import raise_if_set
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint, checked_socket

if TYPE_CHECKING:
    import threading

    from ramalama.serving.container import Watch
    from ramalama_chat.client.endpoint import Endpoint

# Until which second of waiting to pause for how many seconds. Short pauses at first, because the
# first token waits for them; later, the load of polling matters more.
_PAUSES = ((1.0, 0.005), (10.0, 0.02), (float("inf"), 0.1))
_PROBE_TIMEOUT = 5.0
_SHORTEST_PROBE = 0.5  # seconds, even if less than that is left
_CANCEL_INTERVAL = 0.1  # seconds until a probe looks again whether it is cancelled
_LONGEST_HEAD = 64 * 1024  # bytes
_STATUS = rb"HTTP/1\.[0-9] ([2-5][0-9][0-9])[ \r]"


class NotReadyInTime(TimeoutError):
    """The time to wait is over; unlike a TimeoutError of a caller's signal handler."""


READY = 200
"""The HTTP status of a server that has loaded its model."""

LOADING = 503
"""The HTTP status of a server that still loads its model."""


def wait_until_ready(
    endpoint: Endpoint,
    path: str,
    watch: Watch,
    *,
    timeout: float | None,
    cancel: threading.Event | None = None,
) -> bool:
    """Request *path* until the status is 200; return False if the container ends before that.

    *timeout* is in seconds; None waits without limit. It holds against a server that answers a byte
    a second, too, and so does *cancel*.

    Raises:
        StartCancelled: *cancel* was set.
        TimeoutError: the time is over, and the container still runs.
    """
    began = time.monotonic()
    while not watch.ended:
        raise_if_set(cancel)
        left = _PROBE_TIMEOUT if timeout is None else began + timeout - time.monotonic()
        if probe(endpoint, path, timeout=left, cancel=cancel) == READY:
            return True
        waited = time.monotonic() - began
        if timeout is not None and waited >= timeout:
            raise NotReadyInTime
        watch.wait(next(pause for until, pause in _PAUSES if waited < until))
    return False


def probe(
    endpoint: Endpoint,
    path: str,
    *,
    timeout: float = _PROBE_TIMEOUT,
    cancel: threading.Event | None = None,
) -> int | None:
    """Request *path* once and return the HTTP status; None if the server does not answer.

    *timeout* is for the whole request, in seconds; it is at least 0.5 and at most 5.

    Raises:
        StartCancelled: *cancel* was set.
    """
    timeout = min(max(timeout, _SHORTEST_PROBE), _PROBE_TIMEOUT)
    deadline = time.monotonic() + timeout
    connection = http_connection(endpoint, timeout)
    try:
        connection.request("GET", path)
        return _read_status(connection.sock, deadline, cancel)
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def _read_status(
    connection: socket.socket, deadline: float, cancel: threading.Event | None
) -> int | None:
    """Read the head of the answer; None if it is not that of a final answer.

    The standard library would skip any number of `100 Continue`, which no server sends here, and
    it has a time only for each read.
    """
    head = b""
    while b"\r\n\r\n" not in head:
        raise_if_set(cancel)
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        connection.settimeout(min(left, _CANCEL_INTERVAL))
        with suppress(TimeoutError):
            piece = connection.recv(_LONGEST_HEAD)
            head += piece
            if not piece or len(head) > _LONGEST_HEAD:
                return None
    status = re.match(_STATUS, head)
    return int(status[1]) if status else None


def http_connection(endpoint: Endpoint, timeout: float) -> HTTPConnection:
    """Return a connection to a server, which is opened by its first request."""
    match endpoint:
        case UnixEndpoint():
            return _UnixConnection(endpoint.path, timeout)
        case TcpEndpoint():
            return HTTPConnection(endpoint.host, endpoint.port, timeout=timeout)
        case _:
            assert_never(endpoint)


class _UnixConnection(HTTPConnection):
    """HTTP over a UNIX socket, which the standard library does not offer."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with checked_socket(self._path) as path:
            self.sock.connect(path)
