"""A Redis of the tests' own, Debian's redis-server: on loopback, and nothing of it is kept."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.lab.service import free_port, program, running

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def redis_server(directory: Path) -> Generator[str]:
    """Run Redis for the length of a block; yield its URL. Its log is in *directory*."""
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = (
        program("redis-server"),
        *("--bind", "127.0.0.1", "--port", str(port), "--dir", str(directory)),
        *("--save", "", "--appendonly", "no"),
    )

    def answers() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    with running(command, log=directory / "log", ready=answers, env={}):
        yield f"redis://127.0.0.1:{port}"
