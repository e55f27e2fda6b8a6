"""Wait until a server has loaded its model, or learn that it never will."""

from __future__ import annotations

import socket
import threading
import time
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, assert_never

from ramalama_chat.endpoint import TcpEndpoint, UnixEndpoint
from ramalama_engines.errors import EngineError

if TYPE_CHECKING:
    from ramalama_chat.endpoint import Endpoint
    from ramalama_engines.base import Engine

# Seconds. The first token waits for this; later, seconds of loading matter more than polls do.
_PAUSES = ((1.0, 0.005), (10.0, 0.02), (float("inf"), 0.1))
_PROBE_TIMEOUT = 5.0
_OK = 200


class ExitWatch:
    """Notices the end of a container by itself, in a thread that waits for nothing else."""

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine = engine
        self._container = container
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ramalama-watch", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether the container has ended, or the engine can no longer tell."""
        return self._ended.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep for *seconds*, or until the container ends; tell whether it has."""
        return self._ended.wait(seconds)

    def join(self, seconds: float) -> None:
        """Wait for the thread, which ends with the container."""
        self._thread.join(seconds)

    def _watch(self) -> None:
        try:
            self._engine.wait(self._container)
        except EngineError:
            pass  # removed, or the engine is gone: whoever looks closer finds out which
        finally:
            self._ended.set()


def wait_until_ready(
    endpoint: Endpoint, path: str, watch: ExitWatch, *, timeout: float | None
) -> bool:
    """Ask for *path* until it is answered with 200; False if the container ended before that.

    Raises:
        TimeoutError: *timeout* seconds passed, and it still runs.
    """
    began = time.monotonic()
    while not watch.ended:
        if probe(endpoint, path) == _OK:
            return True
        waited = time.monotonic() - began
        if timeout is not None and waited >= timeout:
            raise TimeoutError
        watch.wait(next(pause for until, pause in _PAUSES if waited < until))
    return False


def probe(endpoint: Endpoint, path: str) -> int | None:
    """Ask once; the HTTP status, or None where nobody answers (yet)."""
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
    """HTTP over a UNIX socket, which the standard library leaves to its users."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_PROBE_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_PROBE_TIMEOUT)
        self.sock.connect(self._path)
