"""A small HTTP server on a UNIX socket, in threads of this process."""

from __future__ import annotations

import select
import shutil
import socket
import socketserver
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ramalama_chat.client.endpoint import UnixEndpoint
from ramalama_values import frozen

if TYPE_CHECKING:
    from typing import Self

_SOCKET = "api.sock"
_CHECK_INTERVAL = 0.02  # seconds between two looks at a client, while it is kept waiting
_POLL_INTERVAL = 0.005  # seconds after which the end of the server is noticed


class HungUp(Exception):
    """Raised by the body of a reply to close the connection in the middle of it."""


class ClientLeft(Exception):
    """The client has closed the connection, or the server is being closed."""


@frozen()
class HttpRequest:
    """A request, without its headers, which no answer depends on; *path* includes the query."""

    method: str
    path: str
    body: bytes = field(default=b"", repr=False)


@frozen()
class HttpReply:
    """A reply; a *body* of several pieces is sent in chunks, each as soon as it is there."""

    status: int = HTTPStatus.OK
    content_type: str = "application/json"
    body: bytes | Generator[bytes] = b""

    @classmethod
    def of_json(cls, value: object, *, status: int = HTTPStatus.OK) -> Self:
        """Return a reply with *value* as JSON."""
        return cls(status=status, body=dumps(value).encode())


class Client:
    """The other end of a connection, which is kept waiting."""

    def __init__(self, connection: socket.socket, closing: threading.Event) -> None:
        self._connection = connection
        self._closing = closing

    def wait(self, seconds: float) -> None:
        """Let *seconds* pass.

        Raises:
            ClientLeft: the client has closed the connection meanwhile, or the server ends.
        """
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._closing.wait(min(left, _CHECK_INTERVAL)) or self._has_left():
                raise ClientLeft

    def _has_left(self) -> bool:
        if not select.select([self._connection], [], [], 0)[0]:
            return False
        try:
            return not self._connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True


Answer: TypeAlias = Callable[[HttpRequest, Client], HttpReply]


class SocketServer:
    """Lets *answer* answer the requests at a UNIX socket, from the moment it is made to `close`.

    The socket is in a directory of its own, which only this user can enter. *answer* is called in
    a thread for each connection; what it raises is answered with status 500.
    """

    def __init__(self, answer: Answer) -> None:
        self._directory = tempfile.mkdtemp(prefix="ramalama-")
        self.endpoint = UnixEndpoint(str(Path(self._directory) / _SOCKET))
        self._listener: _Listener | None = None
        try:
            self._listener = _Listener(self.endpoint.path, answer)
        except OSError:
            shutil.rmtree(self._directory, ignore_errors=True)
            raise
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(_POLL_INTERVAL,), name="ramalama-testing"
        )
        self._thread.start()

    def close(self) -> None:
        """End all connections, and remove the socket; further calls do nothing."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.closing.set()
        listener.shutdown()
        self._thread.join()
        listener.hang_up()
        listener.server_close()  # waits for the threads of the connections
        shutil.rmtree(self._directory, ignore_errors=True)


class _Listener(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Knows its connections, so that none outlives it."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, path: str, answer: Answer) -> None:
        self.answer = answer
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__(path, _Handler)

    def process_request(self, request: object, client_address: object) -> None:
        if isinstance(request, socket.socket):
            self._open.add(request)
            super().process_request(request, client_address)

    def shutdown_request(self, request: object) -> None:
        if isinstance(request, socket.socket):
            self._open.discard(request)
            super().shutdown_request(request)

    def hang_up(self) -> None:
        """End every connection."""
        for connection in list(self._open):
            _shut(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: a client of a test may leave at any time."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a reply's head and body go together

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Print nothing."""

    def _answer(self) -> None:
        listener = self.server
        if not isinstance(listener, _Listener):
            return
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = HttpRequest(method=self.command, path=self.path, body=body)
        try:
            reply = _reply(listener, request, Client(self.connection, listener.closing))
            self._send(reply)
        except (HungUp, ClientLeft, OSError):
            self.close_connection = True
            with suppress(OSError):  # what came before the end is for the client
                self.wfile.flush()
            _shut(self.connection)

    do_GET = do_POST = _answer  # noqa: N815 (the base class looks for these names)

    def _send(self, reply: HttpReply) -> None:
        known = HTTPStatus._value2member_map_
        self.send_response(reply.status, None if reply.status in known else "Unknown")
        self.send_header("content-type", reply.content_type)
        if isinstance(reply.body, bytes):
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)
            return
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._send_pieces(reply.body)

    def _send_pieces(self, pieces: Generator[bytes]) -> None:
        with closing(pieces):
            for piece in pieces:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")


def _reply(listener: _Listener, request: HttpRequest, client: Client) -> HttpReply:
    try:
        return listener.answer(request, client)
    except (HungUp, ClientLeft):
        raise
    except Exception as exc:  # noqa: BLE001 - the answer of a test's author, who is to see why
        message = f"the test's server failed: {type(exc).__name__}: {exc}"
        return HttpReply.of_json({"error": {"message": message, "code": 500}}, status=500)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # the client was faster
        connection.shutdown(socket.SHUT_RDWR)
