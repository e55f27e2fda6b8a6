"""Keep track of the sockets of a transfer, so that it can be ended without waiting for data."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Mapping


@runtime_checkable
class _NetworkStream(Protocol):
    """The wrapper that httpx2 puts around a socket."""

    def get_extra_info(self, info: str) -> object: ...


class Connections:
    """Collects new connections through httpx2's ``trace`` extension, and ends them all at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._ended = False

    def trace(self, event: str, info: Mapping[str, object]) -> None:
        """Handle an event of a request; it has a new socket after connecting or starting TLS."""
        if not event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            return
        stream = info.get("return_value")
        made = stream.get_extra_info("socket") if isinstance(stream, _NetworkStream) else None
        with self._lock:
            if isinstance(made, socket.socket):
                self._sockets.add(made)
            if self._ended:
                self._shut()

    def end(self) -> None:
        """Wake all threads that wait for a connection; later connections are shut down at once."""
        with self._lock:
            self._ended = True
            self._shut()

    def _shut(self) -> None:
        for connection in self._sockets:
            # Not the method of the TLS subclass, which drops its state while another thread reads.
            with suppress(OSError):  # closed already
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
