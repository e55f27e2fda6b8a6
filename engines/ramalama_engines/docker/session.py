"""Send requests through docker-py's low-level client, with request bodies made here.

docker-py opens a pool of connections for each address, and cannot interrupt a call that blocks in
another thread. Here all calls share one pool, which can.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

from docker.api.client import APIClient
from docker.errors import DockerException
from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnection, UnixHTTPConnectionPool
from urllib3.exceptions import HTTPError

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.rest.http import host_header, interrupt, repeated_if_lost, unavailable
from ramalama_values.text import one_line

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator, Iterable, Iterator, Mapping
    from typing import BinaryIO

    from requests import PreparedRequest, Response
    from urllib3._base_connection import BaseHTTPConnection

    from ramalama_engines.route import Route

ENGINE = "docker"
BAD_REQUEST, NOT_FOUND, CONFLICT = 400, 404, 409

_BASE_URL = "http+docker://localhost"
_OLDEST_API = "1.41"  # Docker 20.10
_TOO_OLD = r"Minimum supported API version is (\d+\.\d+)"
_TAR = {"Content-Type": "application/x-tar"}
_MOST_IDLE = 4  # idle connections; each takes a file descriptor here and in the daemon
_CHUNK = 65536
_CHANGES_NOTHING = ("GET", "HEAD")


class DockerSession:
    """Sends requests to one Docker daemon, from any thread.

    A `requests.Session` is not documented as safe for threads. Only two parts of it are shared
    here: the connection pool, which is safe, and the cookie jar, which has a lock and stays empty.
    A forked process leaves the pool that it inherits to its parent, and opens its own.
    """

    def __init__(self, route: Route, *, timeout: float) -> None:
        self._route = route
        self._timeout = timeout
        self._api_version = _OLDEST_API
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._opener = os.getpid()
        self._pool = _Pool(self._route)
        self._client = _client()
        self._client.headers["Host"] = host_header(self._route.url)
        self._client.trust_env = False  # neither .netrc nor proxies
        self._client.mount(_BASE_URL, _Adapter(self._pool))

    def send(  # noqa: PLR0913 (what an HTTP request is made of)
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        upload: Iterable[bytes] | None = None,
        extra_time: float = 0.0,
    ) -> Response:
        """Send a request, as `open` does, and return the whole answer, of any status.

        *extra_time* is added to the ordinary timeout, in seconds.
        """

        def send() -> Response:
            response = self.open(
                method,
                path,
                params=params,
                body=body,
                headers=headers,
                upload=upload,
                read_timeout=self._timeout + extra_time,
            )
            with response, self._failures():
                _ = response.content  # read now, so that later uses of the answer cannot fail
            return response

        return repeated_if_lost(send, self._route) if method in _CHANGES_NOTHING else send()

    def open(  # noqa: PLR0913 (what an HTTP request is made of)
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        upload: BinaryIO | Iterable[bytes] | None = None,
        read_timeout: float | None = None,
    ) -> Response:
        """Send a request, and read only the head of the answer, unless it is an error.

        The caller must close the answer.

        *upload* is a tar archive that is sent instead of a body; if it is not a file, the daemon
        must have been asked something before. *read_timeout* is how long the daemon may send
        nothing, in seconds; None means no limit.
        """
        options: dict[str, Any] = {
            "params": params,
            "json": body,
            "data": upload,
            "headers": headers if upload is None else {**(headers or {}), **_TAR},
            "timeout": (self._timeout, read_timeout),
        }
        response = self._request(method, path, options)
        if response.status_code == BAD_REQUEST:
            too_old = re.search(_TOO_OLD, response.text)
            if too_old and too_old[1] != self._api_version:
                self._api_version = too_old[1]  # Docker 29 begins at 1.44
                return self._request(method, path, options)
        return response

    def _request(self, method: str, path: str, options: Mapping[str, Any]) -> Response:
        if self._closed:
            raise self.failure(None)
        if os.getpid() != self._opener:
            self._begin()
        if hasattr(upload := options["data"], "seek"):
            upload.seek(0)  # it may have been read already
        with self._failures():
            url = f"{_BASE_URL}/v{self._api_version}{path}"
            response = self._client.request(method, url, stream=True, **options)
            if not response.ok:
                _ = response.content  # read now, while `_failures` handles errors
        return response

    def chunks(self, response: Response) -> Iterator[bytes]:
        """Yield the answer's body in pieces, as they arrive."""
        parts = response.iter_content(_CHUNK)
        while True:
            with self._failures():
                part = next(parts, None)
            if part is None:
                return
            yield part

    def close(self) -> None:
        """Close all connections; a thread that waits for an answer gets EngineUnavailable."""
        self._closed = True
        if os.getpid() == self._opener:
            self._pool.end()
            self._client.close()

    def failure(self, exc: Exception | None) -> EngineUnavailable:
        """Return an error that says why there is no answer."""
        if exc is None or self._closed:
            return EngineUnavailable(f"{ENGINE} at {self._route.url}: closed", engine=ENGINE)
        return unavailable(exc, engine=ENGINE, url=self._route.url)

    @contextmanager
    def _failures(self) -> Generator[None]:
        try:
            yield
        except (HTTPError, OSError, EngineUnavailable) as exc:  # requests' errors are OSErrors
            raise self.failure(exc) from exc


def _client() -> APIClient:
    try:
        return APIClient(base_url="unix:///", version=_OLDEST_API)
    except (DockerException, ValueError, TypeError, AttributeError) as exc:
        # docker-py reads config.json of the Docker command line, which is not needed here.
        msg = f"docker-py cannot read the Docker client's config.json: {one_line(str(exc))}"
        raise EngineUnavailable(msg, engine=ENGINE) from exc


class _Adapter(UnixHTTPAdapter):
    """Sends every request through one pool."""

    def __init__(self, pool: _Pool) -> None:
        super().__init__("http+unix:///engine")
        self._pool = pool

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,  # noqa: ARG002 (requests' signature)
        verify: bool | str | None,  # noqa: ARG002, FBT001
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
        cert: tuple[str, str] | str | None = None,  # noqa: ARG002
    ) -> UnixHTTPConnectionPool:
        return self._pool


class _Pool(UnixHTTPConnectionPool):
    """Connections to one engine, which also knows the connections in use."""

    def __init__(self, route: Route) -> None:
        super().__init__(_BASE_URL, "/engine", maxsize=_MOST_IDLE)
        self.dial = route.dial
        self._lock, self._returning = Lock(), Lock()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._ended = False

    def _new_conn(self) -> BaseHTTPConnection:
        # It is such a connection, but the type stubs of docker-py and urllib3 do not agree on it.
        return cast("BaseHTTPConnection", _Connection(self))

    def _put_conn(self, conn: BaseHTTPConnection | None) -> None:
        """Close *conn* if enough are idle; urllib3 would also log a warning each time."""
        pool = self.pool  # None once it is closed
        with self._returning:
            if pool is None or not pool.full():
                super()._put_conn(conn)
                return
        if conn is not None:
            conn.close()

    def watch(self, sock: socket.socket) -> None:
        with self._lock:
            if self._ended:
                raise ConnectionAbortedError
            self._sockets.add(sock)

    def end(self) -> None:
        """Wake up all threads that read, and refuse new connections."""
        with self._lock:
            self._ended = True
            for sock in self._sockets:
                interrupt(sock)
        self.close()


class _Connection(UnixHTTPConnection):
    def __init__(self, pool: _Pool) -> None:
        super().__init__(_BASE_URL, "/engine")
        self._pool = pool

    def connect(self) -> None:
        sock = self._pool.dial(self.timeout)
        try:
            self._pool.watch(sock)
        except BaseException:
            sock.close()
            raise
        self.sock = sock
