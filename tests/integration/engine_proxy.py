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
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"unix://{self._path}"

    def vanish(self) -> None:
        """Break every connection, and take no more."""
        self._path.unlink(missing_ok=True)
        for connection in (self._listener, *self._connections):
            with suppress(OSError):  # closed by the other side already
                connection.shutdown(socket.SHUT_RDWR)
        for thread in [*self._threads]:
            thread.join()
        for connection in (self._listener, *self._connections):
            connection.close()

    def _begin(self, target: object, *arguments: object) -> None:
        assert callable(target)
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):  # told to vanish
            while True:
                client, _ = self._listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(str(self._engine))
                self._connections += (client, engine)
                self._begin(_copy, client, engine)
                self._begin(_copy, engine, client)


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
