"""The sockets of a transfer, so that whoever ends it need not wait for what they might bring."""

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
    """What the library wraps a socket in."""

    def get_extra_info(self, info: str) -> object: ...


class Connections:
    """Learns of new connections as httpx2's ``trace`` extension, and ends them all at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._ended = False

    def trace(self, event: str, info: Mapping[str, object]) -> None:
        """Hear what happens to a request; connecting and the start of TLS bring a socket each."""
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
        """Wake every thread that waits for one of them; the next ones are stillborn."""
        with self._lock:
            self._ended = True
            self._shut()

    def _shut(self) -> None:
        for connection in self._sockets:
            # Not the subclass's method: that of TLS forgets its state under the reader's feet.
            with suppress(OSError):  # closed already
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
