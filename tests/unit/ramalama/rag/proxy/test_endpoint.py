"""The endpoint between real sockets: a scripted server behind it, clients before it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import OptionRefused
from ramalama.rag.proxy.endpoint import RagEndpoint
from ramalama_chat import ChatError, TcpEndpoint, UnixEndpoint
from ramalama_chat.session.knowledge import Finding, Source

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = Source(label="guide.pdf p. 12 › Networking", text="Use -p.", uri="docs/guide.pdf")
HEADER = b'X-RamaLama-Sources: ["guide.pdf p. 12 \\u203a Networking"]\r\n'


class Shelf:
    def __init__(self, *sources: Source, failure: ChatError | None = None) -> None:
        self.sources = sources
        self.failure = failure
        self.asked: list[tuple[str, Sequence[str], int | None]] = []

    def look_up(self, question: str, earlier: Sequence[str], room: int | None) -> Finding:
        self.asked.append((question, earlier, room))
        if self.failure is not None:
            raise self.failure
        prompt = f"Use -p. {question}" if self.sources else question
        return Finding(prompt=prompt, sources=self.sources)


@dataclass
class Backend:
    """A server that reads a request, and then sends *pieces*; None waits for the client's end."""

    pieces: Iterable[bytes | None] = ()
    requests: list[bytes] = field(default_factory=list[bytes])
    left: threading.Event = field(default_factory=threading.Event)

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            data = read_message(connection)
            self.requests.append(data)
            try:
                for piece in self.pieces:
                    if piece is None:
                        if not connection.recv(1):
                            self.left.set()
                        return
                    connection.sendall(piece)
                connection.recv(1)
            except OSError:
                self.left.set()


def read_message(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    if fields.get(b"transfer-encoding") == b"chunked":
        while not body.endswith(b"0\r\n\r\n") and (piece := connection.recv(65536)):
            body += piece
    while len(body) < int(fields.get(b"content-length", b"0")):
        piece = connection.recv(65536)
        if not piece:
            break
        body += piece
    return head + b"\r\n\r\n" + body


@dataclass
class Stage:
    endpoint: RagEndpoint
    backend: Backend
    shelf: Shelf

    def connect(self) -> socket.socket:
        address = self.endpoint.address
        if isinstance(address, TcpEndpoint):
            return socket.create_connection((address.host, address.port), timeout=10)
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        client.connect(address.path)
        return client

    def send(self, request: bytes) -> bytes:
        """Send one request, and return all that comes until the answer has ended."""
        with self.connect() as client:
            client.sendall(request)
            return read_message(client)


Setting = Callable[..., "Stage"]


@pytest.fixture
def stage(tmp_path: Path) -> Generator[Setting]:
    with ExitStack() as stack:

        def build(
            *pieces: bytes | None,
            shelf: Shelf | None = None,
            listen: UnixEndpoint | TcpEndpoint | None = None,
            server_key: str | None = None,
        ) -> Stage:
            backend, found = Backend(pieces), shelf or Shelf(SOURCE)
            server: UnixEndpoint | TcpEndpoint = UnixEndpoint(str(tmp_path / "server"))
            if server_key is None:
                listener = socket.socket(socket.AF_UNIX)
                listener.bind(str(tmp_path / "server"))
            else:
                listener = socket.create_server(("127.0.0.1", 0))
                server = TcpEndpoint("127.0.0.1", listener.getsockname()[1], server_key)
            listener.listen()
            stack.enter_context(closing_listener(listener))
            threading.Thread(target=backend.serve, args=(listener,), daemon=True).start()
            address = listen or UnixEndpoint(str(tmp_path / "s"))
            endpoint = stack.enter_context(RagEndpoint(address, server, found, room=4096))
            return Stage(endpoint, backend, found)

        yield build


@contextmanager
def closing_listener(listener: socket.socket) -> Generator[None]:
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def request(body: bytes, *fields: str, path: str = "/v1/chat/completions") -> bytes:
    lines = "".join(f"{each}\r\n" for each in fields)
    return (
        f"POST {path} HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def ok(body: bytes, *fields: str) -> bytes:
    lines = "".join(f"{each}\r\n" for each in fields)
    return f"HTTP/1.1 200 OK\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


ASK = b'{"messages":[{"role":"user","content":"How?"}], "seed": 1.0}'
ASKED = b'{"messages":[{"role":"user","content":"Use -p. How?"}], "seed": 1.0}'
STREAM = [
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: x\r\n\r\n",
    *(b"6\r\ndata: \r\n", b"4\r\n1\n\n\n\r\n0\r", b"\n\r\n"),
]


def test_a_question_is_sent_with_what_the_documents_say(stage: Setting) -> None:
    answer = json.dumps({"choices": [{"message": {"content": "Use -p [1]."}}]}).encode()
    played = stage(ok(answer, "Server: x"))

    came = played.send(request(ASK, "X-A: b"))

    assert played.backend.requests == [
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nX-A: b\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(ASKED), ASKED)
    ]
    assert played.shelf.asked == [("How?", (), 4096)]
    assert HEADER in came
    head, _, body = came.partition(b"\r\n\r\n")
    assert b"Content-Length: %d" % len(body) in head
    found = json.loads(body)["choices"][0]["message"]["annotations"]
    assert found[0]["file_citation"]["filename"] == "guide.pdf"


def test_a_stream_is_passed_on_byte_for_byte(stage: Setting) -> None:
    body = ASK.replace(b"}], ", b'}], "stream": true, ')
    played = stage(*STREAM)

    assert played.send(request(body)) == b"".join(STREAM).replace(
        b"Server: x\r\n\r\n", b"Server: x\r\n" + HEADER + b"\r\n"
    )


def test_the_first_words_do_not_wait_for_the_last(stage: Setting) -> None:
    played = stage(*STREAM[:2], None)

    with played.connect() as client:
        client.sendall(request(ASK.replace(b"}], ", b'}], "stream": true, ')))
        came = b""
        while b"data: " not in came:
            came += client.recv(65536)


@pytest.mark.parametrize(
    "shelf", [Shelf(), Shelf(failure=ChatError("broken"))], ids=["nothing found", "broken index"]
)
def test_without_a_finding_nothing_changes(stage: Setting, shelf: Shelf) -> None:
    played = stage(ok(b'{"choices": [] }'), shelf=shelf)

    assert played.send(request(ASK)) == ok(b'{"choices": [] }')
    assert played.backend.requests[0].endswith(ASK)


@pytest.mark.parametrize(
    ("path", "fields", "body"),
    [
        ("/v1/completions", (), b'{"prompt": "a"}'),
        ("/v1/chat/completions", (), b"no JSON"),
        ("/v1/chat/completions", ("Content-Encoding: gzip",), ASK),
        ("/tokenize", (), bytes(range(256)) * 5000),
    ],
)
def test_all_else_is_passed_on_as_it_is(
    stage: Setting, path: str, fields: tuple[str, ...], body: bytes
) -> None:
    played = stage(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")

    assert played.send(request(body, *fields, path=path)).endswith(b"\r\n\r\nno")
    assert played.backend.requests == [request(body, *fields, path=path)]
    assert played.shelf.asked == []


def test_an_error_of_the_server_is_passed_on_as_it_is(stage: Setting) -> None:
    refusal = b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\n{}"

    assert stage(refusal).send(request(ASK)) == refusal


def test_a_body_in_chunks_is_read_and_passed_on(stage: Setting) -> None:
    played = stage(ok(b"{}"))
    head = "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (9, ASK[:9], len(ASK) - 9, ASK[9:])

    played.send(head.format("/v1/chat/completions").encode() + chunks)
    played.send(head.format("/other").encode() + chunks)

    first, second = played.backend.requests
    assert first.endswith(b"Content-Length: %d\r\n\r\n%s" % (len(ASKED), ASKED))
    assert second == head.format("/other").encode() + chunks


def test_a_client_that_waits_is_told_to_continue(stage: Setting) -> None:
    played = stage(ok(b"{}"))
    head, body = request(ASK, "Expect: 100-continue").split(b"\r\n\r\n", 1)

    with played.connect() as client:
        client.sendall(head + b"\r\n\r\n")
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert read_message(client).startswith(b"HTTP/1.1 200 OK")
    assert b"Expect" not in played.backend.requests[0]


def test_a_connection_takes_several_requests(stage: Setting) -> None:
    played = stage(ok(b"{}"))

    with played.connect() as client:
        for _ in range(3):
            client.sendall(b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n")
            assert read_message(client).endswith(b"{}")
        client.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n")
        came = b""
        while came.count(b"{}") < 2:
            came += client.recv(65536)

    paths = [each.split(b" ")[1] for each in played.backend.requests]
    assert paths == [*[b"/v1/models"] * 3, b"/a", b"/b"]


def test_a_request_hidden_in_another_one_is_refused(stage: Setting) -> None:
    played = stage(ok(b"{}"))
    smuggled = (
        b"POST /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /secret HTTP/1.1\r\n\r\n"
    )

    with played.connect() as client:
        client.sendall(smuggled)
        came = b""
        while piece := client.recv(65536):
            came += piece

    assert came.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert came.count(b"HTTP/1.1") == 1
    assert played.backend.requests == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\nHost: a\n\n", b"400"),
        (b"a" * 70_000, b"400"),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 200000000\r\n\r\n", b"413"),
        (b"POST /chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", b"501"),
    ],
)
def test_what_is_too_long_or_not_valid_is_refused(
    stage: Setting, sent: bytes, status: bytes
) -> None:
    played = stage(ok(b"{}"))

    answer = played.send(sent)

    assert answer.split(b" ")[1] == status
    assert b"Connection: close" in answer


def test_the_server_stops_when_the_client_has_gone(stage: Setting) -> None:
    played = stage(*STREAM[:2], None)

    with played.connect() as client:
        client.sendall(request(ASK))
        client.recv(1)
        began = time.monotonic()

    assert played.backend.left.wait(5)
    assert time.monotonic() - began < 0.5


def test_a_client_that_reads_nothing_holds_no_memory(stage: Setting) -> None:
    sent = [0]

    def endless() -> Generator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            sent[0] += 65536
            yield bytes(65536)

    played = stage()
    played.backend.pieces = endless()

    with played.connect() as client:
        client.sendall(request(ASK))
        time.sleep(0.5)
        reached = sent[0]
        time.sleep(0.3)
        assert sent[0] == reached < 16 * 1024 * 1024
        for _ in range(100):
            client.recv(1024 * 1024)
        assert sent[0] > reached


def test_a_server_that_is_gone_is_a_bad_gateway(stage: Setting, tmp_path: Path) -> None:
    played = stage(ok(b"{}"))
    (tmp_path / "server").unlink()

    came = played.send(request(ASK))

    assert came.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert b"the model server does not answer" in came


def test_a_socket_that_was_replaced_by_a_link_is_not_followed(
    stage: Setting, tmp_path: Path
) -> None:
    played = stage(ok(b"{}"))
    (tmp_path / "server").rename(tmp_path / "other")
    (tmp_path / "server").symlink_to(tmp_path / "other")

    assert played.send(request(ASK)).startswith(b"HTTP/1.1 502")
    assert played.backend.requests == []


@pytest.mark.parametrize(
    "answer", [b"HELLO\r\n\r\n", b"HTTP/1.1 101 Switching\r\n\r\n", b"a" * 70_000]
)
def test_a_server_that_speaks_no_http_is_a_bad_gateway(stage: Setting, answer: bytes) -> None:
    assert stage(answer).send(request(ASK)).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")


def test_an_answer_that_breaks_off_breaks_off_for_the_client(stage: Setting) -> None:
    played = stage(*STREAM[:2], b"zz\r\n")

    came = b""
    with played.connect() as client, suppress(ConnectionResetError):
        client.sendall(request(ASK.replace(b"}], ", b'}], "stream": true, ')))
        while piece := client.recv(65536):
            came += piece

    assert b"502" not in came
    assert b"0\r\n\r\n" not in came


def test_a_port_asks_for_the_key(stage: Setting) -> None:
    played = stage(ok(b"{}"), listen=TcpEndpoint("127.0.0.1", 0, "open-sesame"))

    without = played.send(request(ASK))
    wrong = played.send(request(ASK, "Authorization: Bearer open"))
    right = played.send(request(ASK, "Authorization: Bearer open-sesame"))
    health = played.send(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")

    assert without.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert wrong.startswith(b"HTTP/1.1 401")
    assert right.startswith(b"HTTP/1.1 200")
    assert health.startswith(b"HTTP/1.1 200")
    assert b"open-sesame" not in b"".join(played.backend.requests)


def test_the_server_gets_the_key_that_it_wants(stage: Setting) -> None:
    played = stage(ok(b"{}"), server_key="inner")

    played.send(request(ASK, "Authorization: Bearer outer"))

    assert b"Authorization: Bearer inner\r\n" in played.backend.requests[0]
    assert b"outer" not in played.backend.requests[0]


def test_only_the_user_can_open_the_socket(stage: Setting, tmp_path: Path) -> None:
    stage(ok(b"{}"))

    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600


def test_a_port_in_use_is_told(stage: Setting) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OptionRefused, match=r"cannot listen at 127\.0\.0\.1:\d+: .*in use"),
    ):
        stage(listen=TcpEndpoint("127.0.0.1", taken.getsockname()[1]))


def test_the_end_closes_all_connections(stage: Setting, tmp_path: Path) -> None:
    played = stage(*STREAM[:2], None)

    with closing(played.connect()) as client:
        client.sendall(request(ASK))
        client.recv(1)
        assert played.endpoint.idle_time == 0.0
        played.endpoint.__exit__()
        assert played.backend.left.wait(5)
    assert (tmp_path / "server").exists()


def test_the_idle_time_begins_with_the_end_of_the_last_request(stage: Setting) -> None:
    played = stage(ok(b"{}"))

    played.send(request(ASK))
    time.sleep(0.2)

    assert 0.15 < played.endpoint.idle_time < 5


def test_empty_lines_without_a_request_are_refused(stage: Setting) -> None:
    answer = b""
    with stage().connect() as client, suppress(OSError):
        client.sendall(b"\r\n" * 1000)
        answer = client.recv(65536)

    assert answer.startswith(b"HTTP/1.1 400 "), answer
