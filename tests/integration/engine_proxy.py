"""An engine that can go away in the middle, without harm to the real one behind it."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_CHUNK: Final = 65536


class EngineProxy:
    """Passes bytes between clients and an engine's socket, until it is told to vanish."""

    def __init__(self, path: Path, engine: Path) -> None:
        self._path = path
        self._engine = engine
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._connections: list[socket.socket] = []
        self._copiers: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"unix://{self._path}"

    def vanish(self) -> None:
        """Break every connection, and take no more."""
        self._path.unlink(missing_ok=True)
        _shut_down(self._listener)
        self._acceptor.join()
        for connection in self._connections:
            _shut_down(connection)
        for copier in self._copiers:
            copier.join()
        for connection in (self._listener, *self._connections):
            connection.close()

    def _accept(self) -> None:
        with suppress(OSError):  # told to vanish
            while True:
                client, _ = self._listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(str(self._engine))
                self._connections += (client, engine)
                for ends in ((client, engine), (engine, client)):
                    copier = threading.Thread(target=_copy, args=ends)
                    self._copiers.append(copier)
                    copier.start()


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):  # it is, by the other side
        connection.shutdown(socket.SHUT_RDWR)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # told to vanish
        while content := source.recv(_CHUNK):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def proxied(path: Path, engine: Path) -> Generator[EngineProxy]:
    """Put a proxy at *path* in front of the engine's socket."""
    proxy = EngineProxy(path, engine)
    try:
        yield proxy
    finally:
        proxy.vanish()
