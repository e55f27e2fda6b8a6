"""Waiting for a server that loads its model, or for the end of it."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import StartCancelled
from ramalama.serving.container import ExitPoll, ExitWatch
from ramalama.serving.health import probe, wait_until_ready
from ramalama_chat import Endpoint, TcpEndpoint, UnixEndpoint
from ramalama_engines import ContainerSpec, EngineUnavailable
from ramalama_engines.fake import FakeEngine
from tests.unit.ramalama.made_up import IMAGE
from tests.unit.ramalama.serving.model_server import LOADING, READY, FakeModelServer

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

NOBODY = UnixEndpoint("/nowhere/api.sock")
SILENT = b""
PATIENCE = 20.0  # seconds
ListenAddress = Callable[[FakeModelServer], Endpoint]


@pytest.fixture
def engine() -> Generator[FakeEngine]:
    with FakeEngine(images={"img": IMAGE}) as fake:
        yield fake


@pytest.fixture
def container(engine: FakeEngine) -> str:
    name = engine.create(ContainerSpec(image="img"))
    engine.start(name)
    return name


@pytest.fixture
def watch(engine: FakeEngine, container: str) -> Generator[ExitWatch]:
    found = ExitWatch(engine, container)
    yield found
    engine.close()
    found.join(10)


@pytest.fixture(params=["unix", "tcp"])
def listen(request: pytest.FixtureRequest, run_dir: Path) -> Generator[ListenAddress]:
    """Make a server listen, on either kind of endpoint."""
    started: list[FakeModelServer] = []

    def start(server: FakeModelServer) -> Endpoint:
        started.append(server)
        if request.param == "tcp":
            return TcpEndpoint("127.0.0.1", server.listen_on_port())
        server.listen_on_socket(run_dir / "api.sock")
        return UnixEndpoint(str(run_dir / "api.sock"))

    yield start
    for server in started:
        server.stop()


def test_a_server_is_ready_once_its_health_is_good(listen: ListenAddress, watch: ExitWatch) -> None:
    server = FakeModelServer(LOADING, LOADING, READY)

    assert wait_until_ready(listen(server), "/health", watch, timeout=None)
    assert server.asked == ["GET /health HTTP/1.1"] * 3


@pytest.mark.parametrize(
    "answer",
    [
        SILENT,
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"220 mail.example ESMTP\r\n",
        b"\x16\x03\x01\x00",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
        b"HTTP/1.1 2",
    ],
    ids=["hangs-up", "401", "302", "204", "no-http", "tls", "endless-header", "cut-off"],
)
def test_anything_but_a_200_is_not_ready_yet(
    listen: ListenAddress, watch: ExitWatch, answer: bytes
) -> None:
    server = FakeModelServer(answer, READY)

    assert wait_until_ready(listen(server), "/health", watch, timeout=None)
    assert len(server.asked) == 2


def test_a_server_that_ends_while_it_loads_is_never_ready(
    engine: FakeEngine, container: str, watch: ExitWatch
) -> None:
    threading.Timer(0.05, engine.end, (container, 1)).start()

    assert not wait_until_ready(NOBODY, "/health", watch, timeout=None)


def test_a_server_that_has_ended_is_not_even_asked(
    listen: ListenAddress, engine: FakeEngine, container: str, watch: ExitWatch
) -> None:
    server = FakeModelServer()
    endpoint = listen(server)
    engine.end(container, 1)
    watch.join(10)

    assert not wait_until_ready(endpoint, "/health", watch, timeout=None)
    assert server.asked == []


def test_a_server_that_takes_too_long_is_given_up(listen: ListenAddress, watch: ExitWatch) -> None:
    with pytest.raises(TimeoutError):
        wait_until_ready(listen(FakeModelServer(LOADING)), "/health", watch, timeout=0.05)


# What a server sends again and again, and how many seconds apart.
DRIPS = {
    "a byte": (b"a", 0.01),
    "a header": (b"HTTP/1.1 200 OK\r\nX: y\r\n", 0.01),
    "100 Continue": (b"HTTP/1.1 100 Continue\r\n\r\n", 0.0),
    "nothing": (b"", 60.0),
}


@contextmanager
def dripping(name: str) -> Generator[Endpoint]:
    piece, pause = DRIPS[name]
    over = threading.Event()

    def drip(listener: socket.socket) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):  # the client has left
                    while not over.wait(pause):
                        connection.sendall(piece)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        yield TcpEndpoint("127.0.0.1", listener.getsockname()[1])
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize("name", DRIPS)
def test_an_answer_without_end_does_not_outlast_the_time_to_get_ready(
    watch: ExitWatch, name: str
) -> None:
    began = time.monotonic()

    with dripping(name) as endpoint, pytest.raises(TimeoutError):
        wait_until_ready(endpoint, "/health", watch, timeout=0.3)

    assert time.monotonic() - began < 2


@pytest.mark.parametrize("name", DRIPS)
def test_a_start_is_cancelled_in_an_answer_without_end(watch: ExitWatch, name: str) -> None:
    cancel = threading.Event()
    began = time.monotonic()

    with dripping(name) as endpoint:
        threading.Timer(0.2, cancel.set).start()
        with pytest.raises(StartCancelled):
            wait_until_ready(endpoint, "/health", watch, timeout=None, cancel=cancel)

    assert time.monotonic() - began < 2


def test_a_server_is_asked_once_even_without_any_patience(
    listen: ListenAddress, watch: ExitWatch
) -> None:
    assert wait_until_ready(listen(FakeModelServer()), "/health", watch, timeout=0.0)


def test_where_nobody_listens_there_is_no_status() -> None:
    assert probe(NOBODY, "/health") is None


def test_a_path_too_long_for_a_socket_has_no_status() -> None:
    assert probe(UnixEndpoint("/" + "x" * 200), "/health") is None


@pytest.mark.parametrize("end", ["ends", "is removed", "loses its engine"])
def test_a_watch_notices_when_the_container(
    engine: FakeEngine, container: str, watch: ExitWatch, end: str
) -> None:
    assert not watch.ended

    match end:
        case "ends":
            engine.end(container, 1)
        case "is removed":
            engine.remove(container, force=True)
        case _:
            engine.close()

    assert watch.wait(10)
    assert watch.ended


@pytest.mark.parametrize("answers", [True, False])
def test_while_its_engine_is_away_a_server_tells_itself_whether_it_is_there(
    engine: FakeEngine, container: str, *, answers: bool
) -> None:
    poll = ExitPoll(lambda: engine, lambda: answers, container)
    engine.close()

    assert poll.ended is not answers


def test_a_container_that_was_removed_has_ended_whatever_answers_in_its_place(
    engine: FakeEngine, container: str
) -> None:
    poll = ExitPoll(lambda: engine, lambda: True, container)
    engine.remove(container, force=True)

    assert poll.ended


class _CutOff(FakeEngine):
    """An engine whose connection breaks during the first wait."""

    waits = 0

    def wait(self, container: str, *, timeout: float | None = None) -> int:
        self.waits += 1
        if self.waits == 1:
            msg = "the connection broke"
            raise EngineUnavailable(msg)
        return super().wait(container, timeout=timeout)


def test_a_broken_connection_is_not_the_end_of_a_container() -> None:
    with _CutOff(images={"img": IMAGE}) as engine:
        container = engine.create(ContainerSpec(image="img"))
        engine.start(container)
        watch = ExitWatch(engine, container)

        assert not watch.wait(0.2)
        engine.remove(container, force=True)
        assert watch.wait(10)
        assert engine.waits == 2


def test_a_container_that_ended_meanwhile_is_not_waited_for_again() -> None:
    with _CutOff(images={"img": IMAGE}) as engine:
        watch = ExitWatch(engine, engine.create(ContainerSpec(image="img")))

        assert watch.wait(10)
        assert engine.waits == 1


def test_a_container_that_another_program_starts_again_has_not_ended(
    engine: FakeEngine, container: str, watch: ExitWatch
) -> None:
    poll = ExitPoll(lambda: engine, lambda: False, container)
    for _ in range(2):
        engine.end(container, 0)
        assert watch.wait(PATIENCE)
        assert poll.wait(PATIENCE)

        engine.start(container)
        deadline = time.monotonic() + PATIENCE
        while (watch.ended or poll.ended) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not watch.ended
        assert not watch.wait(0)


def test_a_forked_process_asks_the_engine(
    engine: FakeEngine, container: str, watch: ExitWatch
) -> None:
    child = os.fork()
    if child == 0:
        runs = not watch.ended and not watch.wait(0)
        engine.end(container, 1)
        os._exit(0 if runs and watch.wait(PATIENCE) else 1)

    assert os.waitpid(child, 0)[1] == 0
    assert not watch.ended
