"""A web server on loopback that answers as its routes say, and keeps what it was asked.

It has two names. To the second one, `FileServer.other_url`, it is somebody else's host, which
answers 400 where it is shown a secret of the first.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

_OTHER_NAME = "localhost"
_SECRETS = ("authorization", "cookie")
_RANGE = r"bytes=(?P<first>[0-9]+)-(?P<last>[0-9]*)"
_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asked.

    Attributes:
        target: as it was sent: path and query, or all of a URL where we are asked as a proxy.
        headers: names in lower case.
        peer: the client's port, which tells connections apart.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    peer: int = 0

    @property
    def host(self) -> str:
        """The name by which we were asked, without the port."""
        return self.headers.get("host", "").partition(":")[0]

    @property
    def path(self) -> str:
        """The path, decoded, without the query."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> Mapping[str, str]:
        """The query's values, decoded."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def without(self, *names: str) -> Self:
        """Return the same request without these headers."""
        kept = {name: value for name, value in self.headers.items() if name not in names}
        return replace(self, headers=kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a client is told, and how.

    Attributes:
        length: what Content-Length says; None for the truth.
        chunked: there is no Content-Length; the body comes in chunks.
        rate: bytes per second on this connection; None for as fast as can be.
        cut_after: after so many bytes of the body the connection ends.
        stall_after: after so many bytes of the body there is silence until the client leaves.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | memoryview = b""
    length: int | None = None
    chunked: bool = False
    rate: int | None = None
    cut_after: int | None = None
    stall_after: int | None = None

    @classmethod
    def of_json(cls, value: object, *, status: int = 200, **headers: str) -> Self:
        """Say *value* in JSON; in names of headers, "_" stands for "-"."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        body = json.dumps(value).encode()
        return cls(status=status, headers={"content-type": "application/json", **named}, body=body)

    @classmethod
    def redirect(cls, url: str, *, status: int = 302, **headers: str) -> Self:
        """Send the client to *url*."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status=status, headers={"location": url, **named})


Route = Callable[[Request], Reply]


def serve_bytes(
    data: bytes, *, etag: str | None = '"1"', content_type: str = "application/octet-stream"
) -> Route:
    """Make a route to *data* that honours Range and If-Range."""
    headers = {"content-type": content_type, "accept-ranges": "bytes"}
    if etag is not None:
        headers["etag"] = etag

    def answer(request: Request) -> Reply:
        wanted = re.fullmatch(_RANGE, request.headers.get("range", ""))
        if wanted is None or request.headers.get("if-range", etag) != etag:
            return Reply(headers=headers, body=data)
        first = int(wanted["first"])
        if first >= len(data):
            return Reply(status=416, headers={"content-range": f"bytes */{len(data)}"})
        last = min(int(wanted["last"] or len(data)), len(data) - 1)
        told = {**headers, "content-range": f"bytes {first}-{last}/{len(data)}"}
        return Reply(status=206, headers=told, body=memoryview(data)[first : last + 1])

    return answer


class FileServer:
    """Answers on 127.0.0.1 while its ``with`` block runs; *tls* makes it an https server.

    A path that *routes* does not have goes to the longest of its keys that ends with "/" and
    begins the path. *requests* holds what was asked, in the order of arrival.
    """

    def __init__(
        self, routes: Mapping[str, Route] | None = None, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.routes: dict[str, Route] = dict(routes or {})
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._scheme = "http" if tls is None else "https"
        self._listener = _Listener(self)
        if tls is not None:
            self._listener.socket = tls.wrap_socket(self._listener.socket, server_side=True)
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.005,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._listener.shutdown()
        self._thread.join()
        self._listener.hang_up()
        self._listener.server_close()

    @property
    def port(self) -> int:
        """Where we listen."""
        return int(self._listener.server_address[1])

    @property
    def url(self) -> str:
        """Our address, without a "/" at its end."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def other_url(self) -> str:
        """Our address as that of another host."""
        return f"{self._scheme}://{_OTHER_NAME}:{self.port}"

    def asked(self, path: str) -> list[Request]:
        """Return the requests for *path*, whichever host they named."""
        return [request for request in self.requests if request.path == path]

    def answer(self, request: Request) -> Reply:
        """Take a request down and find what to tell."""
        self.requests.append(request)
        if request.host == _OTHER_NAME and any(name in request.headers for name in _SECRETS):
            return Reply(status=400, body=b"that secret is not meant for this host")
        return self._route(request.path)(request)

    def _route(self, path: str) -> Route:
        if path in self.routes:
            return self.routes[path]
        folders = [key for key in self.routes if key.endswith("/") and path.startswith(key)]
        return self.routes[max(folders, key=len)] if folders else _nothing_here


def _nothing_here(_request: Request) -> Reply:
    return Reply(status=404, headers={"content-type": "text/plain"}, body=b"no such path")


class _Listener(ThreadingHTTPServer):
    """Knows its connections, so that none outlives it."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, owner: FileServer) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End every connection; `server_close` then waits for the threads."""
        for connection in list(self._open):
            _shut(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients of a test leave when they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Say nothing: the requests are kept."""

    def _answer(self) -> None:
        assert isinstance(self.server, _Listener)
        owner = self.server.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        asked = Request(
            method=self.command,
            target=self.path,
            headers=headers,
            body=body,
            peer=self.client_address[1],
        )
        reply = owner.answer(asked)
        self._send_head(reply)
        if self.command != "HEAD":
            self._send_body(reply, owner.closing)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 (the base class looks for these names)

    def _send_head(self, reply: Reply) -> None:
        known = HTTPStatus._value2member_map_
        self.send_response(reply.status, None if reply.status in known else "Odd")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.chunked:
            self.send_header("transfer-encoding", "chunked")
        else:
            length = len(reply.body) if reply.length is None else reply.length
            self.send_header("content-length", str(length))
        self.end_headers()

    def _send_body(self, reply: Reply, closing: threading.Event) -> None:
        ends = [len(reply.body), reply.cut_after, reply.stall_after]
        end = min(end for end in ends if end is not None)
        length = _PIECE if reply.rate is None else min(_PIECE, reply.rate // 20 + 1)
        for start in range(0, end, length):
            piece = reply.body[start : min(start + length, end)]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if reply.chunked else piece)
            if reply.rate is not None:
                time.sleep(len(piece) / reply.rate)
        if end == reply.stall_after:
            self._wait_for_the_client_to_leave(closing)
        broken_off = end in {reply.cut_after, reply.stall_after}
        if broken_off or (reply.length or 0) > end:
            self.close_connection = True
            _shut(self.connection)
        elif reply.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _wait_for_the_client_to_leave(self, closing: threading.Event) -> None:
        self.connection.settimeout(0.02)
        while not closing.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the client was faster
        return
