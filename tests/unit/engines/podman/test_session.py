"""The sessions that carry requests to podman, and how they are cut from another thread."""

from __future__ import annotations

import gc
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.errors import EngineError, EngineUnavailable
from ramalama_engines.podman.engine import PodmanEngine
from ramalama_engines.podman.logs import LogStream
from ramalama_engines.podman.session import PodmanAnswer, Request, Sessions
from ramalama_engines.rest.unix_route import UnixRoute

if TYPE_CHECKING:
    from collections.abc import Generator

REQUEST = Request(method="get", path="info", query={"a": "b c"}, timeout=None)
HEAD = b"HTTP/1.1 200 OK\r\nServer: Libpod/9 (linux)\r\n"
HELLO = HEAD + b"Content-Length: 5\r\n\r\nhello"
NO_SUCH = b'HTTP/1.1 404 Not Found\r\nContent-Length: 18\r\n\r\n{"message":"none"}'
LINE = b"\x01\0\0\0\0\0\0\x06hello\n"
ENDLESS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"e\r\n" + LINE + b"\r\n"


class Service:
    """Answers each request at a UNIX socket with the next of *answers*, then falls silent."""

    def __init__(self, path: Path, answers: list[bytes]) -> None:
        self.path = str(path)
        self.asked, self.ended = threading.Semaphore(0), threading.Semaphore(0)
        self.requests: list[bytes] = []
        self.connections: list[socket.socket] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self._answers = iter(answers)

    def serve(self) -> None:
        with self.listener, ThreadPoolExecutor(16) as pool:
            while True:
                try:
                    client, _ = self.listener.accept()
                except OSError:
                    return
                self.connections.append(client)
                pool.submit(self._serve_one, client)

    def _serve_one(self, client: socket.socket) -> None:
        with client:
            while request := client.recv(65536):
                self.requests.append(request)
                client.sendall(next(self._answers, b""))
                self.asked.release()
        self.ended.release()


@contextmanager
def serving(path: Path, *answers: bytes) -> Generator[Service]:
    service = Service(path / "s", list(answers))
    thread = threading.Thread(target=service.serve)
    thread.start()
    try:
        yield service
    finally:
        service.listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def opened(service: Service) -> Generator[Sessions]:
    sessions = Sessions(UnixRoute(service.path))
    try:
        yield sessions
    finally:
        sessions.close()


def ask(sessions: Sessions) -> bytes:
    with sessions.borrow() as session:
        return session.exchange(REQUEST).body


def follow(sessions: Sessions) -> LogStream:
    return LogStream(sessions, REQUEST, failure=EngineError)


def test_one_session_carries_one_request_after_the_other(tmp_path: Path) -> None:
    with serving(tmp_path, HELLO, HELLO) as service, opened(service) as sessions:
        assert [ask(sessions), ask(sessions)] == [b"hello", b"hello"]
        assert len(service.connections) == 1
        assert service.requests[0].startswith(b"GET /v4.0.0/libpod/info?a=b+c HTTP/1.1\r\n")


def test_of_many_sessions_a_few_are_kept(tmp_path: Path) -> None:
    def ask_at_once(count: int) -> None:
        with ExitStack() as stack:
            for session in [stack.enter_context(sessions.borrow()) for _ in range(count)]:
                assert session.exchange(REQUEST).body == b"hello"

    with serving(tmp_path, *[HELLO] * 14) as service:
        with opened(service) as sessions:
            ask_at_once(10)
            for _ in range(6):
                assert service.ended.acquire(timeout=60)
            ask_at_once(4)

            assert len(service.connections) == 10
        for _ in range(4):
            assert service.ended.acquire(timeout=60)


def test_an_answer_carries_status_server_and_error(tmp_path: Path) -> None:
    with serving(tmp_path, HELLO, NO_SUCH) as service, opened(service) as sessions:
        with sessions.borrow() as session:
            hello, none = session.exchange(REQUEST), session.exchange(REQUEST)

        assert (hello.status, hello.server, hello.error) == (200, "Libpod/9 (linux)", "hello")
        assert (none.status, none.server, none.error) == (404, "", "none")


@pytest.mark.parametrize("body", [b"OK", b"1" * 100_000, b"[" * 200_000, b"\xff"])
def test_an_answer_that_is_no_json_is_an_error_of_ours(body: bytes) -> None:
    answer = PodmanAnswer(200, body, "Libpod/9 (linux)")

    with pytest.raises(EngineError, match=r"^podman: its answer is not JSON$"):
        answer.json  # noqa: B018 (it decodes)
    assert answer.error == body.decode("utf-8", "replace")


def test_a_request_that_waits_ends_when_the_sessions_are_closed(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as service,
        opened(service) as sessions,
        ThreadPoolExecutor() as pool,
    ):
        answer = pool.submit(ask, sessions)
        service.asked.acquire()
        sessions.close()

        with pytest.raises(EngineUnavailable, match="the connection was closed"):
            answer.result()
        with pytest.raises(EngineUnavailable, match="the connection was closed"):
            ask(sessions)


def test_a_session_that_is_cut_before_it_has_connected_asks_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, HELLO) as service, opened(service) as sessions:
        with sessions.spend() as session:
            session.cut()
            with pytest.raises(EngineUnavailable, match="the connection was closed"):
                session.exchange(REQUEST)

        assert service.requests == []


def test_a_service_that_hangs_up_is_unavailable_and_may_be_asked_again(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as service,
        opened(service) as sessions,
        ThreadPoolExecutor() as pool,
    ):
        answer = pool.submit(ask, sessions)
        service.asked.acquire()
        service.connections[0].shutdown(socket.SHUT_RDWR)
        with pytest.raises(EngineUnavailable, match="no answer"):
            answer.result()

    (tmp_path / "s").unlink()
    with serving(tmp_path, HELLO) as service, opened(service) as sessions:
        assert ask(sessions) == b"hello"


def test_a_failed_connection_leaves_no_socket_open(tmp_path: Path) -> None:
    sessions = Sessions(UnixRoute(f"{tmp_path}/missing.sock"))

    with pytest.raises(EngineUnavailable, match="no such socket"):
        ask(sessions)

    gc.collect()  # an open socket would warn here, and warnings are errors


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:1", "ssh://host/s", "nonsense"])
def test_other_urls_are_refused_before_the_sdk_runs_a_program_for_them(url: str) -> None:
    with pytest.raises(EngineUnavailable, match="only unix"):
        PodmanEngine(url)


def test_a_log_is_yielded_while_it_goes_on(tmp_path: Path) -> None:
    with serving(tmp_path, ENDLESS) as service, opened(service) as sessions:
        lines = follow(sessions)

        assert next(lines) == "hello"
        lines.close()
        assert list(lines) == []


@pytest.mark.parametrize("answer", [b"", ENDLESS], ids=["before any line", "after a line"])
def test_another_thread_may_close_a_log(tmp_path: Path, answer: bytes) -> None:
    with (
        serving(tmp_path, answer) as service,
        opened(service) as sessions,
        ThreadPoolExecutor() as pool,
    ):
        lines = follow(sessions)
        rest = pool.submit(list, lines)
        service.asked.acquire()
        lines.close()

        assert rest.result() in ([], ["hello"])


def test_a_log_that_is_closed_early_asks_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, ENDLESS) as service, opened(service) as sessions:
        lines = follow(sessions)
        lines.close()

        assert list(lines) == []
        assert service.requests == []


def test_a_log_that_the_service_breaks_off_is_no_end_of_it(tmp_path: Path) -> None:
    with serving(tmp_path, ENDLESS) as service, opened(service) as sessions:
        lines = follow(sessions)
        next(lines)
        service.connections[0].shutdown(socket.SHUT_RDWR)

        with pytest.raises(EngineUnavailable):
            next(lines)


def test_a_log_that_is_dropped_closes_its_connection(tmp_path: Path) -> None:
    with serving(tmp_path, ENDLESS) as service, opened(service) as sessions:
        lines = follow(sessions)
        next(lines)
        del lines
        gc.collect()

        assert service.ended.acquire(timeout=60)


def test_a_log_of_no_container_fails_with_podmans_words(tmp_path: Path) -> None:
    with (
        serving(tmp_path, NO_SUCH) as service,
        opened(service) as sessions,
        pytest.raises(EngineError, match="none"),
    ):
        next(follow(sessions))


def test_a_stream_that_is_left_early_leaves_no_socket_open(tmp_path: Path) -> None:
    with serving(tmp_path, ENDLESS) as service, opened(service) as sessions:
        before = open_files()
        with sessions.spend() as session:
            _, chunks = session.open_stream(REQUEST)
            assert next(chunks) == LINE

        assert service.ended.acquire(timeout=60)
        assert open_files() == before
        del chunks  # not earlier: the socket is not to wait for it


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])
