"""The source of a blob: its current location, and the open connections."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import urlsplit
from weakref import WeakSet

import httpx2

from ramalama.models.download.values import Location

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Source:
    """Remembers where the last request ended, so that other requests need no redirect.

    Safe for several threads; only one at a time calls *locate*.
    """

    def __init__(self, locate: Callable[[], Location]) -> None:
        self._locate = locate
        self._lock = threading.Lock()
        self._location: Location | None = None
        self._proven = False
        self._host = "its server"

    @property
    def host(self) -> str:
        """The host that answered last, for messages; the rest of a URL may be secret."""
        return self._host

    def current(self) -> Location:
        """Return the location to request; an exception of *locate* is passed on."""
        with self._lock:
            if self._location is None:
                self._location = self._locate()
                self._proven = False
                self._host = _host_of(self._location.url)
            return self._location

    def prove(self, location: Location, url: httpx2.URL) -> None:
        """Record that a request to *location* was granted, by *url*."""
        with self._lock:
            if self._location is not location:
                return
            self._proven = True
            if str(url) != location.url:
                ours = url.origin == httpx2.URL(location.url).origin
                self._location = Location(url=str(url), headers=location.headers if ours else {})
                self._host = url.host

    def renew(self, location: Location) -> bool:
        """Forget a location that was refused; return False if a new one would be refused, too.

        A location that was granted before has expired; one that never was will be refused again.
        """
        with self._lock:
            if self._location is not location:
                return True
            if not self._proven:
                return False
            self._location = None
            return True


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or "its server"
    except ValueError:
        return "its server"


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
