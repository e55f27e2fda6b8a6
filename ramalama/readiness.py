"""Wait until a server has loaded its model, or learn that it never will."""

from __future__ import annotations

import socket
import threading
import time
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, assert_never

from ramalama.errors import StartCancelled
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint
from ramalama_engines.errors import EngineError, EngineUnavailable
from ramalama_engines.spec import ContainerStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_engines.engine import Engine

# Seconds. The first token waits for this; later, seconds of loading matter more than polls do.
_PAUSES = ((1.0, 0.005), (10.0, 0.02), (float("inf"), 0.1))
_PROBE_TIMEOUT = 5.0
_LOOK_INTERVAL = 0.25

READY = 200
"""What a server answers whose model is loaded."""

LOADING = 503
"""What it answers before."""


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


class ExitPoll:
    """Notices the end of a container when asked, and leaves no thread that waits for it.

    For a container that may outlive our interest in it: an engine's answer to "wait for its end"
    could not be called off. *answers* tells whether the server itself does, for when its engine is
    away.
    """

    def __init__(self, engine: Engine, container: str, answers: Callable[[], bool]) -> None:
        self._engine = engine
        self._container = container
        self._answers = answers
        self._ended = False
        self._looked = float("-inf")

    @property
    def ended(self) -> bool:
        """Whether the container has ended, or neither its engine nor its server answers."""
        if not self._ended and time.monotonic() - self._looked >= _LOOK_INTERVAL:
            self._ended = self._look()
            self._looked = time.monotonic()
        return self._ended

    def wait(self, seconds: float) -> bool:
        """Sleep for *seconds*, or until the container ends; tell whether it has."""
        deadline = time.monotonic() + seconds
        while not self.ended and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_INTERVAL))
        return self.ended

    def _look(self) -> bool:
        try:
            status = self._engine.inspect(self._container).status
        except EngineUnavailable:
            return not self._answers()
        except EngineError:
            return True
        return status not in (ContainerStatus.RUNNING, ContainerStatus.PAUSED)


def wait_until_ready(
    endpoint: Endpoint,
    path: str,
    watch: ExitWatch | ExitPoll,
    *,
    timeout: float | None,
    cancel: threading.Event | None = None,
) -> bool:
    """Ask for *path* until it is answered with 200; False if the container ended before that.

    Raises:
        StartCancelled: *cancel* was set.
        TimeoutError: *timeout* seconds passed, and it still runs.
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


def raise_if_set(cancel: threading.Event | None) -> None:
    """Make sure that nobody has called the start off.

    Raises:
        StartCancelled: somebody has.
    """
    if cancel is not None and cancel.is_set():
        msg = "the start was called off"
        raise StartCancelled(msg)


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
