"""A service at a UNIX socket that gives every request one answer."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

PODMAN_ANSWER = (
    "200 OK\r\nServer: Libpod/5.8.6 (linux)\r\nLibpod-API-Version: 5.8.6\r\nApi-Version: 1.41"
)
DOCKER_ANSWER = "200 OK\r\nServer: Docker/28.5.2 (linux)\r\nApi-Version: 1.51"


@contextmanager
def service(path: Path, answer: str) -> Generator[str]:
    """Answer every request at the UNIX socket *path* with *answer*, and yield its URL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    reply = f"HTTP/1.1 {answer}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK".encode()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=_answer_all, args=(listener, reply))
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept() up
            thread.join()


def _answer_all(listener: socket.socket, reply: bytes) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client:
            if client.recv(65536):  # nothing comes from one who only looks whether we are here
                client.sendall(reply)
