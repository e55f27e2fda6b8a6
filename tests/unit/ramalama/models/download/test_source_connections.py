"""The threads of a transfer and their sockets."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from ramalama.models.download.job import WorkerEnded, WorkerPool, WorkerRole
from ramalama.models.download.source import Connections

if TYPE_CHECKING:
    from collections.abc import Generator


class Stream:
    """What the library wraps a socket in."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def get_extra_info(self, info: str) -> object:
        return self._connection if info == "socket" else None


@pytest.fixture
def pair() -> Generator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("step", ["connect_tcp", "start_tls"])
def test_a_thread_that_waits_for_bytes_is_woken(
    pair: tuple[socket.socket, socket.socket], step: str
) -> None:
    connections = Connections()
    stream = Stream(pair[0])
    connections.trace(f"connection.{step}.complete", {"return_value": stream})
    read: list[bytes] = []
    thread = threading.Thread(target=lambda: read.append(pair[0].recv(1)), daemon=True)
    thread.start()
    connections.end()
    thread.join(20)

    assert read == [b""]


def test_a_connection_that_is_made_after_the_end_brings_nothing(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    connections = Connections()
    connections.end()
    connections.trace("connection.connect_tcp.complete", {"return_value": Stream(pair[0])})

    assert pair[0].recv(1) == b""


def test_other_events_are_of_no_interest() -> None:
    connections = Connections()
    connections.trace("http11.send_request_headers.complete", {})
    connections.trace("connection.connect_tcp.failed", {"exception": OSError()})
    connections.trace("connection.connect_tcp.complete", {})
    connections.end()


def test_an_exception_of_a_thread_reaches_its_starter() -> None:
    workers = WorkerPool()
    failure = ZeroDivisionError()

    def fail() -> None:
        raise failure

    workers.start(WorkerRole.SAVER, fail)

    assert workers.next_message(20) == WorkerEnded(WorkerRole.SAVER, failure)
    assert workers.next_message(0) is None
    assert workers.join()
