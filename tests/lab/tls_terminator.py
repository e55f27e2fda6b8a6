"""A server that speaks TLS for an engine which has only a UNIX socket, as a proxy would."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.lab.certificates import Certificate

_CHUNK: Final = 65536


@contextmanager
def tls_terminator(engine: Path, certificate: Certificate) -> Generator[int]:
    """Yield the port of 127.0.0.1 that leads to the socket *engine* for who has a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificate.ca_file)
    context.load_cert_chain(certificate.certificate, certificate.key)
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:
        terminator = _Terminator(engine, context, listener)
        thread = threading.Thread(target=terminator.serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept() up
            thread.join()
            terminator.end()


class _Terminator:
    def __init__(self, engine: Path, context: ssl.SSLContext, listener: socket.socket) -> None:
        self._engine = engine
        self._context = context
        self._listener = listener
        self._clients: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def serve(self) -> None:
        with suppress(OSError):  # the listener was shut down
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                thread = threading.Thread(target=self._serve_one, args=(client,))
                self._threads.append(thread)
                thread.start()

    def end(self) -> None:
        for client in self._clients:
            with suppress(OSError):  # it has ended already
                socket.socket.shutdown(client, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _serve_one(self, client: socket.socket) -> None:
        with client, suppress(OSError):  # who is not let in, or hangs up
            wire = self._context.wrap_socket(client.dup(), server_side=True)
            with wire, socket.socket(socket.AF_UNIX) as engine:
                engine.connect(str(self._engine))
                _relay(wire, engine)


def _relay(wire: ssl.SSLSocket, engine: socket.socket) -> None:
    while True:
        ready = [wire] if wire.pending() else select.select([wire, engine], [], [])[0]
        for source in ready:
            piece = source.recv(_CHUNK)
            if not piece:
                return
            (engine if source is wire else wire).sendall(piece)
