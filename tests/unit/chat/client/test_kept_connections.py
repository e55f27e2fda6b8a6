"""Connections to servers elsewhere are kept; what a kept one loses is sent again, once."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx2
import pytest

from ramalama_chat import TcpEndpoint, open_async_client, open_client
from ramalama_chat.client.client import HeaderFilter, no_tls
from ramalama_chat.client.http_client import AsyncHttpClient, HttpClient

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Generator

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"
LOST = b""


@dataclass
class Server:
    """Sends the next of *answers* to each request, and closes the connection after a bad one."""

    answers: list[bytes]
    requests: list[bytes] = field(default_factory=list[bytes])
    connections: int = 0
    url: str = ""

    def handle(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file:
            while request := _read_request(file):
                self.requests.append(request)
                answer = self.answers.pop(0)
                connection.sendall(answer)
                if answer != GOOD:
                    return


def _read_request(file: io.BufferedReader) -> bytes:
    length, head = 0, b""
    while (line := file.readline()).strip():
        head += line
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head + file.read(length)


@contextmanager
def serving(*answers: bytes) -> Generator[Server]:
    server = Server(list(answers))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        threads: list[threading.Thread] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                server.connections += 1
                threads.append(threading.Thread(target=server.handle, args=(connection,)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join(10)


def post(url: str, count: int) -> list[str]:
    def open_http() -> HttpClient:
        return HttpClient(HeaderFilter(None), heir=open_http, verify=no_tls())

    with open_http() as client:
        return [_outcome(client, url) for _ in range(count)]


def post_async(url: str, count: int) -> list[str]:
    def open_http() -> AsyncHttpClient:
        return AsyncHttpClient(HeaderFilter(None), heir=open_http, verify=no_tls())

    async def run() -> list[str]:
        async with open_http() as client:
            outcomes: list[str] = []
            for _ in range(count):
                try:
                    outcomes.append((await client.post(url, json={})).text)
                except httpx2.TransportError as exc:
                    outcomes.append(type(exc).__name__)
            return outcomes

    return asyncio.run(run())


def _outcome(client: HttpClient, url: str) -> str:
    try:
        return client.post(url, json={}).text
    except httpx2.TransportError as exc:
        return type(exc).__name__


@pytest.mark.parametrize("send", [post, post_async])
@pytest.mark.parametrize(
    ("answers", "outcomes", "requests", "connections"),
    [
        pytest.param([GOOD, GOOD], ["{}", "{}"], 2, 1, id="kept"),
        pytest.param([GOOD, LOST, GOOD], ["{}", "{}"], 3, 2, id="lost-when-kept"),
        pytest.param([LOST], ["RemoteProtocolError"], 1, 1, id="lost-when-new"),
        pytest.param([GOOD, LOST, LOST], ["{}", "RemoteProtocolError"], 3, 2, id="lost-twice"),
        pytest.param([GOOD, CUT], ["{}", "RemoteProtocolError"], 2, 1, id="cut-in-the-answer"),
    ],
)
def test_a_request_that_a_kept_connection_has_lost_is_sent_again_once(
    send: Callable[[str, int], list[str]],
    answers: list[bytes],
    outcomes: list[str],
    requests: int,
    connections: int,
) -> None:
    with serving(*answers) as server:
        assert send(server.url, len(outcomes)) == outcomes

    assert (len(server.requests), server.connections) == (requests, connections)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_no_connection_to_this_host_is_kept(*, asynchronous: bool) -> None:
    async def ask(endpoint: TcpEndpoint) -> None:
        async with open_async_client(endpoint) as client:
            await client.post("/x", cast_to=object)
            await client.post("/x", cast_to=object)

    with serving(GOOD, GOOD) as server:
        url = httpx2.URL(server.url)
        endpoint = TcpEndpoint(url.host, url.port or 0)
        if asynchronous:
            asyncio.run(ask(endpoint))
        else:
            with open_client(endpoint) as client:
                client.post("/x", cast_to=object)
                client.post("/x", cast_to=object)

    assert server.connections == 2
