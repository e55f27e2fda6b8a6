"""How an engine that has no socket on this host is identified."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.discovery.identify import identify
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from tests.unit.engines.unix_service import DOCKER_ANSWER, PODMAN_ANSWER

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable


class OneConnection:
    """A route to a peer in this process; `asked` is what was sent to it."""

    url = "tcp://me:secret@gpu:2375"
    socket_path = None
    ssh = None

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def dial(self, timeout: float | None) -> socket.socket:
        self._end.settimeout(timeout)
        return self._end

    def close(self) -> None:
        """Do nothing."""


@contextmanager
def peer(pieces: Iterable[bytes]) -> Generator[tuple[OneConnection, list[bytes]]]:
    """Send *pieces* to who asks, and note what was asked."""
    near, far = socket.socketpair()
    asked: list[bytes] = []

    def answer() -> None:
        with far:
            asked.append(far.recv(65536))
            try:
                for piece in pieces:
                    far.sendall(piece)
            except OSError:
                return

    thread = threading.Thread(target=answer)
    thread.start()
    with near:
        yield OneConnection(near), asked
    thread.join()


def dripping(piece: bytes) -> Iterable[bytes]:
    while True:
        yield piece
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(PODMAN_ANSWER, EngineKind.PODMAN), (DOCKER_ANSWER, EngineKind.DOCKER)],
)
def test_an_engine_elsewhere_is_known_by_its_headers(answer: str, kind: EngineKind) -> None:
    pieces = [f"HTTP/1.1 {answer}\r\n".encode(), b"\r\nOK"]

    with peer(pieces) as (route, asked):
        assert identify(route) is kind

    assert asked[0].startswith(b"GET /_ping HTTP/1.1\r\nHost: gpu:2375\r\n")


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: y"],
)
def test_what_is_no_engine_elsewhere_is_not_taken_for_one(answer: bytes) -> None:
    with (
        peer([answer]) as (route, _),
        pytest.raises(EngineUnavailable, match=r"^the service that answers there is not"),
    ):
        identify(route)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
        b"\x15\x03\x01\x00\x02\x02\x16",
    ],
)
def test_a_service_that_requires_tls_is_told_apart(answer: bytes) -> None:
    with peer([answer]) as (route, _), pytest.raises(EngineUnavailable, match="requires TLS"):
        identify(route)


@pytest.mark.parametrize("piece", [b"x" * 65536, b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 10_000])
def test_an_endless_answer_is_given_up(piece: bytes) -> None:
    with (
        peer(iter(lambda: piece, b"")) as (route, _),
        pytest.raises(EngineUnavailable, match="not a container engine"),
    ):
        identify(route)


def test_an_answer_that_drips_is_given_up_in_time() -> None:
    began = time.monotonic()

    with (
        peer(dripping(b"H")) as (route, _),
        pytest.raises(EngineUnavailable, match=r"^no answer within 0\.2 seconds$"),
    ):
        identify(route, timeout=0.2)

    assert time.monotonic() - began < 2


def test_a_slow_way_to_an_engine_takes_nothing_of_the_time_for_its_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ordinary = OneConnection.dial

    def slow(route: OneConnection, timeout: float | None) -> socket.socket:
        time.sleep(0.3)
        return ordinary(route, timeout)

    monkeypatch.setattr(OneConnection, "dial", slow)
    with peer([f"HTTP/1.1 {PODMAN_ANSWER}\r\n\r\n".encode()]) as (route, _):
        assert identify(route, timeout=0.2) is EngineKind.PODMAN
