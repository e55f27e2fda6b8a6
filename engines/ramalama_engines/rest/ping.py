"""Ask an engine that is not on this host for its name, without its SDK."""

from __future__ import annotations

import io
import time
from http.client import HTTPException, parse_headers
from typing import TYPE_CHECKING, Final

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.rest.http import host_header

if TYPE_CHECKING:
    import socket

    from ramalama_engines.route import Route

_LONGEST_HEAD: Final = 65536
_TLS_ALERT: Final = b"\x15\x03"
_WANTS_TLS: Final = b"HTTP request to an HTTPS server"  # the words of Go's net/http


def ping(route: Route, *, timeout: float) -> frozenset[str]:
    """Return the names of the headers, in small letters, of the answer to ``GET /_ping``.

    Raises:
        OSError: as `Route.dial`; TimeoutError *timeout* seconds after it was reached: the way there
            has limits of its own, and may be slow.
        EngineUnavailable: as `Route.dial`, or the answer is not that of an engine.
    """
    host = host_header(route.url)
    with route.dial(timeout) as connection:
        deadline = time.monotonic() + timeout
        request = f"GET /_ping HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        answer = _read_head(connection, deadline, timeout)
    if answer.startswith(_TLS_ALERT) or _WANTS_TLS in answer:
        msg = "the service there requires TLS, and no certificates are set for this address"
        raise EngineUnavailable(msg)
    status, _, rest = answer.partition(b"\r\n")
    if status.startswith(b"HTTP/"):
        try:
            return frozenset(map(str.lower, parse_headers(io.BytesIO(rest))))
        except HTTPException:
            pass
    msg = "the service that answers there is not a container engine"
    raise EngineUnavailable(msg)


def _read_head(connection: socket.socket, deadline: float, timeout: float) -> bytes:
    """Return the answer until its body begins, or as much of it as there is."""
    answer = b""
    while b"\r\n\r\n" not in answer and len(answer) < _LONGEST_HEAD:
        left = deadline - time.monotonic()
        if left <= 0:
            msg = f"no answer within {timeout:g} seconds"
            raise TimeoutError(msg)
        connection.settimeout(left)
        try:
            piece = connection.recv(_LONGEST_HEAD)
        except TimeoutError:
            continue
        if not piece:
            break
        answer += piece
    return answer
