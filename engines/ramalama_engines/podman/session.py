"""Send requests to podman with podman-py's sessions, so that another thread can interrupt them.

A `requests.Session` is not documented as safe for threads, and one session for each thread would
live as long as the thread. So a request borrows a session, and a few are kept for later requests.
All of them are closed together.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, Literal

import urllib3
from podman.api.client import APIClient
from podman.api.uds import UDSAdapter, UDSConnection, UDSConnectionPool

from ramalama_engines.errors import EngineError, EngineUnavailable
from ramalama_engines.rest.http import PATH_STAT, host_header, interrupt, unavailable
from ramalama_values import frozen
from ramalama_values.json import parse_json

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator, Iterable, Iterator, Mapping
    from typing import BinaryIO

    from ramalama_engines.route import Route


_API = "4.0.0"  # the version of the libpod API; podman 4 and 5 answer it alike
_CHUNK = 65536


@frozen()
class Request:
    """A request to libpod; *timeout* is in seconds without data, None means no limit."""

    method: Literal["get", "post", "put", "delete", "head"]
    path: str
    query: Mapping[str, str | int]
    timeout: float | None
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = field(default=None, repr=False)  # may hold a password
    upload: BinaryIO | Iterable[bytes] | None = None  # a tar archive, instead of a body


@frozen(kw_only=False)
class PodmanAnswer:
    """Podman's answer, read completely."""

    status: int
    body: bytes
    server: str  # "Libpod/4.3.1 (linux)"
    path_stat: str = ""  # the description of a path in a container

    @property
    def json(self) -> Any:  # noqa: ANN401 (JSON)
        """The body as JSON; raises EngineError if it is not JSON."""
        try:
            return parse_json(self.body)
        except ValueError as exc:
            msg = "podman: its answer is not JSON"
            raise EngineError(msg, engine="podman") from exc

    @property
    def error(self) -> str:
        """Podman's message in an error answer."""
        try:
            return str(self.json["message"])
        except (EngineError, LookupError, TypeError):
            return self.body.decode("utf-8", "replace")


class _Connection(UDSConnection):
    """A connection that remembers its socket, which http.client forgets before the last byte."""

    route: Route
    session_is_cut: threading.Event
    wire: socket.socket | None = None

    def connect(self) -> None:
        self.wire = self.route.dial(self.timeout)
        if self.session_is_cut.is_set():  # cut() was called before it could find the socket
            self.wire.close()
            raise ConnectionAbortedError  # as if the service had closed it
        self.sock = self.wire


class PodmanSession:
    """podman-py's session for one request at a time, which another thread can interrupt."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._opener = os.getpid()
        self._is_cut = threading.Event()
        self._connection: _Connection | None = None
        self._response: Any = None
        self._client: Any = APIClient(base_url="unix:///engine", version=_API)
        self._client.headers["Host"] = host_header(route.url)
        adapter: Any = UDSAdapter(self._client.base_url.geturl())
        adapter.poolmanager.pool_classes_by_scheme = {"http": self._pool}
        self._client.mount("http://", adapter)

    def exchange(self, request: Request) -> PodmanAnswer:
        """Send *request* and return the whole answer.

        Raises:
            EngineUnavailable: no engine answers, or the session was cut.
        """
        with self._translated():
            response = self._send(request, stream=False)
            stat = str(response.headers.get(PATH_STAT, ""))
            return PodmanAnswer(response.status_code, response.content, _server(response), stat)

    def open_stream(self, request: Request) -> tuple[PodmanAnswer, Iterator[bytes]]:
        """Send *request*; return the answer without its body, and the body in pieces as it arrives.

        An error's body is read at once.

        Raises:
            EngineUnavailable: as in `exchange`; the iterator raises it as well.
        """
        with self._translated():
            self._response = response = self._send(request, stream=True)
            is_error = response.status_code >= 400  # noqa: PLR2004 (HTTP)
            body = response.content if is_error else b""
        return PodmanAnswer(response.status_code, body, _server(response)), self._chunks(response)

    def cut(self) -> None:
        """End the current request; the thread that waits for it gets EngineUnavailable.

        Shutting the socket down wakes up that thread; closing it would wait for the thread. In a
        process that was forked meanwhile, it is not shut down, since the parent still uses it.
        """
        self._is_cut.set()
        if os.getpid() != self._opener:
            return
        if self._connection is not None and self._connection.wire is not None:
            interrupt(self._connection.wire)

    def close(self) -> None:
        """Close the connection, even if its answer has not been read to the end."""
        if self._response is not None:  # its connection is not in the pool while it is read
            self._response.close()
        self._client.close()

    def _send(self, request: Request, *, stream: bool) -> Any:  # noqa: ANN401 (podman-py's)
        options: dict[str, Any] = {"params": dict(request.query), "timeout": request.timeout}
        headers = dict(request.headers or {})
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            options["data"] = json.dumps(request.body)
        elif request.upload is not None:
            headers["Content-Type"] = "application/x-tar"
            options["data"] = request.upload
        send = getattr(self._client, request.method)
        return send(request.path, headers=headers, stream=stream, **options)

    def _chunks(self, response: Any) -> Iterator[bytes]:  # noqa: ANN401 (podman-py's)
        with self._translated():
            yield from response.raw.stream(_CHUNK)

    @contextlib.contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except (OSError, urllib3.exceptions.HTTPError, EngineUnavailable) as exc:
            # requests' errors are OSErrors
            if self._is_cut.is_set():
                msg = f"podman at {self._route.url}: the connection was closed"
                raise EngineUnavailable(msg, engine="podman") from exc
            raise unavailable(exc, engine="podman", url=self._route.url) from exc

    def _pool(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 (urllib3's)
        pool: Any = UDSConnectionPool(*args, **options)
        pool.ConnectionCls = self._connect
        return pool

    def _connect(self, *args: Any, **options: Any) -> _Connection:  # noqa: ANN401 (urllib3's)
        self._connection = _Connection(*args, **options)
        self._connection.route = self._route
        self._connection.session_is_cut = self._is_cut
        return self._connection


def _server(response: Any) -> str:  # noqa: ANN401 (podman-py's)
    return str(response.headers.get("Server", ""))


# Each takes a file descriptor here and in podman. A program that starts twenty servers at once has
# forty requests in progress, and would otherwise keep as many connections.
_MOST_IDLE: Final = 4


class Sessions:
    """The sessions of one engine, which are lent, returned, and closed all together.

    A forked process leaves those that it inherits to its parent, and opens its own.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._opener = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[PodmanSession] = []
        self._lent: set[PodmanSession] = set()

    def _begin_anew_if_forked(self) -> None:
        if os.getpid() != self._opener:
            self._begin()

    @contextlib.contextmanager
    def borrow(self) -> Generator[PodmanSession]:
        """Lend a session, and keep it for another request unless the block raises an exception."""
        session = self._take()
        try:
            yield session
        except BaseException:
            self._discard(session)  # its answer may be half read
            raise
        self._return(session)

    @contextlib.contextmanager
    def spend(self) -> Generator[PodmanSession]:
        """Lend a session for a stream; it may be cut at any time, so it is not used again."""
        session = self._take()
        try:
            yield session
        finally:
            self._discard(session)

    def close(self) -> None:
        """Cut all requests in progress, close the idle sessions, and lend no more."""
        self._begin_anew_if_forked()
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            lent = tuple(self._lent)
        for session in lent:
            session.cut()  # its borrower discards it
        for session in idle:
            session.close()

    def _take(self) -> PodmanSession:
        self._begin_anew_if_forked()
        with self._lock:
            if self._closed:
                msg = f"podman at {self._route.url}: the connection was closed"
                raise EngineUnavailable(msg, engine="podman")
            session = self._idle.pop() if self._idle else PodmanSession(self._route)
            self._lent.add(session)
        return session

    def _return(self, session: PodmanSession) -> None:
        self._begin_anew_if_forked()
        with self._lock:
            is_own = session in self._lent
            self._lent.discard(session)
            if is_own and not self._closed and len(self._idle) < _MOST_IDLE:
                self._idle.append(session)
                return
        session.close()

    def _discard(self, session: PodmanSession) -> None:
        self._begin_anew_if_forked()
        with self._lock:
            self._lent.discard(session)
        session.cut()  # so that closing does not wait for the rest of the answer
        session.close()
