"""Carry requests to podman over podman-py's session, in a way that another thread can cut."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

import urllib3
from podman.api.client import APIClient
from podman.api.uds import UDSAdapter, UDSConnection, UDSConnectionPool

from ramalama_engines.errors import EngineError, EngineUnavailable
from ramalama_engines.rest.http import unavailable
from ramalama_values import frozen
from ramalama_values.json import parse_json

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from typing import BinaryIO

_API = "4.0.0"  # the libpod API that we speak; podman 4 and 5 answer to it alike
_CHUNK = 65536


@frozen()
class Request:
    """A request to libpod; *timeout* in seconds without a byte, None waits for ever."""

    method: Literal["get", "post", "delete"]
    path: str
    query: Mapping[str, str | int]
    timeout: float | None
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = field(default=None, repr=False)  # may hold a password
    upload: BinaryIO | None = None  # a tar archive, instead of a body


@frozen(kw_only=False)
class PodmanAnswer:
    """What podman answered, read whole."""

    status: int
    body: bytes
    server: str  # "Libpod/4.3.1 (linux)"

    @property
    def json(self) -> Any:  # noqa: ANN401 (JSON)
        """The body, decoded; raises EngineError where it is not JSON."""
        try:
            return parse_json(self.body)
        except ValueError as exc:
            msg = "podman: its answer is not JSON"
            raise EngineError(msg, engine="podman") from exc

    @property
    def error(self) -> str:
        """Podman's words for what went wrong."""
        try:
            return str(self.json["message"])
        except (EngineError, LookupError, TypeError):
            return self.body.decode("utf-8", "replace")


class _Connection(UDSConnection):
    """A connection that remembers its socket, which http.client forgets before the last byte.

    podman-py's own leaves the socket open where nobody answers.
    """

    path: str
    session_is_cut: threading.Event
    wire: socket.socket | None = None

    def connect(self) -> None:
        self.wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.wire.settimeout(self.timeout)
            self.wire.connect(self.path)
            if self.session_is_cut.is_set():  # too early for cut() to find the socket
                raise ConnectionAbortedError  # noqa: TRY301 (as if the service had done it)
        except BaseException:
            self.wire.close()
            raise
        self.sock = self.wire


class PodmanSession:
    """podman-py's session for one request at a time, which another thread can cut."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._is_cut = threading.Event()
        self._connection: _Connection | None = None
        self._response: Any = None
        self._client: Any = APIClient(base_url=f"unix://{path}", version=_API)
        adapter: Any = UDSAdapter(self._client.base_url.geturl())
        adapter.poolmanager.pool_classes_by_scheme = {"http": self._pool}
        self._client.mount("http://", adapter)

    def exchange(self, request: Request) -> PodmanAnswer:
        """Send *request* and read the whole answer.

        Raises:
            EngineUnavailable: there is none, or we were cut.
        """
        with self._translated():
            response = self._send(request, stream=False)
            return PodmanAnswer(response.status_code, response.content, _server(response))

    def open_stream(self, request: Request) -> tuple[PodmanAnswer, Iterator[bytes]]:
        """Send *request* and return the answer with an empty body, and the body as it comes.

        An error's body is read at once.

        Raises:
            EngineUnavailable: as `exchange`; the iterator raises it as well.
        """
        with self._translated():
            self._response = response = self._send(request, stream=True)
            is_error = response.status_code >= 400  # noqa: PLR2004 (HTTP)
            body = response.content if is_error else b""
        return PodmanAnswer(response.status_code, body, _server(response)), self._chunks(response)

    def cut(self) -> None:
        """End the request under way, with EngineUnavailable to the thread that waits for it.

        Shutting the socket down wakes that thread up; closing would wait for it.
        """
        self._is_cut.set()
        if self._connection is not None and self._connection.wire is not None:
            with contextlib.suppress(OSError):  # it has ended by itself
                self._connection.wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection, also one whose answer is not read to its end."""
        if self._response is not None:  # its connection is not the client's while it is read
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
        except (OSError, urllib3.exceptions.HTTPError) as exc:  # requests' errors are OSErrors
            if self._is_cut.is_set():
                msg = f"podman at unix://{self._path}: the connection was closed"
                raise EngineUnavailable(msg, engine="podman") from exc
            raise unavailable(exc, engine="podman", url=f"unix://{self._path}") from exc

    def _pool(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 (urllib3's)
        pool: Any = UDSConnectionPool(*args, **options)
        pool.ConnectionCls = self._connect
        return pool

    def _connect(self, *args: Any, **options: Any) -> _Connection:  # noqa: ANN401 (urllib3's)
        self._connection = _Connection(*args, **options)
        self._connection.path = self._path
        self._connection.session_is_cut = self._is_cut
        return self._connection


def _server(response: Any) -> str:  # noqa: ANN401 (podman-py's)
    return str(response.headers.get("Server", ""))
