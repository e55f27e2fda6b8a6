"""A Docker daemon that answers what a test tells it to, at a UNIX socket."""

from __future__ import annotations

import json
import socketserver
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that arrived."""

    version: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the daemon answers; *cut* ends the connection in the middle of the body."""

    status: int = 200
    body: Any = None
    lines: tuple[Any, ...] = ()
    cut: bool = False
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def encode(self) -> bytes:
        """Return the body: the *lines* as JSON one a line, or *body*, as JSON unless bytes."""
        if self.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            return b""
        if self.lines:
            return b"".join(json.dumps(line).encode() + b"\r\n" for line in self.lines)
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(kw_only=True)
class Dockerd:
    """Its replies by ``"METHOD /path"``; the last one of a path is repeated."""

    url: str
    replies: dict[str, list[Reply]] = field(default_factory=dict[str, list[Reply]])
    asked: list[tuple[str, Asked]] = field(default_factory=list[tuple[str, Asked]])
    connections: list[object] = field(default_factory=list[object])
    hung_up: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def answer(self, route: str, *replies: Reply) -> None:
        self.replies[route] = list(replies)

    def routes(self) -> list[str]:
        """Return what was asked for, in that order."""
        return [route for route, _ in self.asked]

    def about(self, route: str) -> list[Asked]:
        """Return the requests of one route."""
        return [asked for name, asked in self.asked if name == route]

    def take(self, route: str, asked: Asked) -> Reply:
        self.asked.append((route, asked))
        replies = self.replies.get(route)
        if not replies:
            return Reply(status=404, body={"message": f"page not found: {route}"})
        return replies.pop(0) if len(replies) > 1 else replies[0]


@contextmanager
def serving(directory: Path) -> Generator[Dockerd]:
    path = directory / "docker.sock"
    dockerd = Dockerd(url=f"unix://{path}")

    class Handler(_Handler):
        daemon = dockerd

    with _Server(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield dockerd
        finally:
            server.shutdown()
            thread.join()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (the base's)
        if not isinstance(sys.exception(), ConnectionError):  # a client may hang up
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    daemon: Dockerd

    def setup(self) -> None:
        self.daemon.connections.append(self)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.daemon.hung_up.release()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        version, _, path = parts.path.removeprefix("/v").partition("/")
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_tar = self.headers.get("Content-Type") == "application/x-tar"
        asked = Asked(
            version=version,
            query=dict(parse_qsl(parts.query)),
            body=sent if is_tar else json.loads(sent or b"null"),
            headers=dict(self.headers),
        )
        self._send(self.daemon.take(f"{self.command} /{path}", asked))

    do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 (http.server's names)

    def _send(self, reply: Reply) -> None:
        body = reply.encode()
        self.send_response(reply.status)
        self.send_header("Api-Version", "1.51")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.cut:
            self.send_header("Transfer-Encoding", "chunked")  # and no last chunk
            body = b"%x\r\n%b\r\n" % (len(body), body)
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's name)
        """Keep quiet."""
