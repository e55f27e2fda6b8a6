"""A model server that does what a script says, in the place of a container's program."""

from __future__ import annotations

import socketserver
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LOADING = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno"


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


class FakeModelServer:
    """Answers each request with the next of *answers*, and with the last one from then on.

    *on_request* is called when a request has been read, before it is answered.
    """

    def __init__(self, *answers: bytes, on_request: Callable[[], None] | None = None) -> None:
        self.asked: list[str] = []
        self._on_request = on_request
        self._answers = list(answers or (READY,))
        self._listener: socketserver.BaseServer | None = None
        self._thread: threading.Thread | None = None

    def listen_on_socket(self, path: Path) -> None:
        """Listen on the UNIX socket at *path*."""
        self._serve(socketserver.ThreadingUnixStreamServer(str(path), self._handler()))

    def listen_on_port(self) -> int:
        """Listen on a free port of 127.0.0.1, and return it."""
        listener = _Listener(("127.0.0.1", 0), self._handler())
        self._serve(listener)
        return int(listener.server_address[1])

    def stop(self) -> None:
        """Listen no more."""
        if self._listener is not None and self._thread is not None:
            self._listener.shutdown()
            self._thread.join()
            self._listener.server_close()
            self._listener = None

    def _serve(self, listener: socketserver.BaseServer) -> None:
        self._listener = listener
        self._thread = threading.Thread(target=listener.serve_forever, args=(0.005,))
        self._thread.start()

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                server.asked.append(self.rfile.readline().decode().strip())
                while self.rfile.readline().strip():
                    pass
                if server._on_request is not None:
                    server._on_request()
                answers = server._answers
                with suppress(BrokenPipeError):  # the client may have lost its patience
                    self.wfile.write(answers.pop(0) if len(answers) > 1 else answers[0])

        return Handler
