"""A chat server that answers from a script: what no honest server does, on demand."""

import json
import socketserver
import threading
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedIOBase
from itertools import repeat
from pathlib import Path


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: dict[str, object]


@dataclass
class Script:
    """What to send for each request, and what came in."""

    answers: deque[Iterable[bytes]] = field(default_factory=deque[Iterable[bytes]])
    requests: list[Request] = field(default_factory=list[Request])
    client_left: threading.Event = field(default_factory=threading.Event)

    def add(self, *answers: Iterable[bytes]) -> None:
        self.answers.extend(answers)


def event(text: str | None, *, finish: str | None = None, **delta: object) -> dict[str, object]:
    content = {} if text is None else {"content": text}
    return {"choices": [{"index": 0, "delta": content | delta, "finish_reason": finish}]}


def stream(*events: object, end: bytes = b"data: [DONE]\n\n", whole: bool = True) -> list[bytes]:
    """Answer 200 with *events*, bytes as they are and all else as JSON; cut off if not *whole*."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    lines = [e if isinstance(e, bytes) else f"data: {json.dumps(e)}\n\n".encode() for e in events]
    chunks = [chunk(line) for line in [*lines, end] if line]
    return [head, *chunks, *([b"0\r\n\r\n"] if whole else [])]


def words(*texts: str) -> list[bytes]:
    return stream(*(event(text) for text in texts), event(None, finish="stop"))


def endless(text: str) -> Iterable[bytes]:
    yield from stream(end=b"", whole=False)
    yield from repeat(chunk(f"data: {json.dumps(event(text))}\n\n".encode()))


def refusal(status: int, body: str) -> list[bytes]:
    content = body.encode()
    head = f"HTTP/1.1 {status} No\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    return [head.encode(), content]


def answer_json(value: object) -> list[bytes]:
    """Answer 200 with *value* as JSON, or as it is if it is bytes."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    return [f"{head}\r\nConnection: close\r\n\r\n".encode(), content]


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


@contextmanager
def serving(socket: Path, script: Script) -> Generator[None]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            script.requests.append(_read_request(self.rfile))
            try:
                for piece in script.answers.popleft():
                    self.wfile.write(piece)
            except OSError:
                script.client_left.set()

    with socketserver.ThreadingUnixStreamServer(str(socket), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _read_request(stream: BufferedIOBase) -> Request:
    _, path, _ = stream.readline().decode().split(" ")
    headers: dict[str, str] = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return Request(path, headers, json.loads(body or "{}"))
