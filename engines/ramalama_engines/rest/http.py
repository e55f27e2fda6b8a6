"""Helpers of both adapters for HTTP: find the user of a socket, read JSON, explain failures."""

from __future__ import annotations

import errno
import re
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from ramalama_engines.errors import EngineError, EngineUnavailable
from ramalama_values import frozen
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ramalama_engines.route import Route

PATH_STAT = "X-Docker-Container-Path-Stat"  # the header of an answer that describes a file

T = TypeVar("T")

_UCRED = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


@frozen(kw_only=False)
class FailurePattern:
    """A kind of failure: how to recognize it in an engine's message, and how to report it.

    *words* is a regular expression, without regard to case; ``.`` also matches a newline. It is
    compiled only when a failure is explained. *message* may name its groups in braces, and should
    say what to do. The engine's own text is added to it.
    """

    words: str
    error: type[EngineError]
    message: str


def socket_path(url: str) -> str | None:
    """Return the path of a ``unix:///path`` URL, None for any other URL."""
    scheme, _, path = url.partition("://")
    return path if scheme == "unix" else None


def interrupt(connection: socket.socket) -> None:
    """Wake up the threads that wait for *connection*, and end it; other calls of theirs fail.

    The method of a TLS connection would also forget its keys, and so let another thread send the
    rest of a request as plain text.
    """
    with suppress(OSError):  # it has ended already
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def host_header(url: str) -> str:
    """Return the value of the HTTP header `Host` for the engine at *url*."""
    scheme, _, rest = url.partition("://")
    return rest.partition("/")[0].rpartition("@")[2] if scheme == "tcp" else "localhost"


def peer_uid(path: str) -> int | None:
    """Return the UID of the process that listens on the UNIX socket *path*.

    None where the operating system cannot report it.

    Raises:
        OSError: no process listens there, or access is denied.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(path)
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(credentials)[1])


def explain(text: str, meanings: Iterable[FailurePattern], *, engine: str) -> EngineError | None:
    """Return the error for an engine's *text*, by the first pattern that matches; None if none."""
    for meaning in meanings:
        if found := re.search(meaning.words, text, re.IGNORECASE | re.DOTALL):
            named = {name: one_line(words or "") for name, words in found.groupdict().items()}
            message = f"{meaning.message.format(**named)} ({engine}: {one_line(text)})"
            return meaning.error(message, engine=engine)
    return None


def unavailable(exc: BaseException, *, engine: str, url: str) -> EngineUnavailable:
    """Return the error for an *engine* that did not answer at *url*; its SDK raised *exc*.

    The SDKs wrap the cause several times; only the operating system's error has the reason. The
    reason of a `Route` is complete.
    """
    if isinstance(exc, EngineUnavailable):
        return EngineUnavailable(f"{engine} at {url}: {exc.message}", hint=exc.hint, engine=engine)
    hint = None
    match first_errno(exc):
        case errno.ENOENT:
            reason, hint = "there is no such socket", "is the service started?"
        case errno.ECONNREFUSED:
            reason, hint = "no process listens there", "is the service started?"
        case errno.EACCES | errno.EPERM:
            reason, hint = "permission denied", "may this user use the socket?"
        case None:
            reason = f"no answer ({one_line(str(_innermost(exc)))})"
        case number:
            reason = errno.errorcode.get(number, str(number))
    return EngineUnavailable(f"{engine} at {url}: {reason}", hint=hint, engine=engine)


def repeated_if_lost(request: Callable[[], T], route: Route) -> T:
    """Send a *request* that changes nothing; once more if the connection over ssh was lost.

    Raises:
        EngineUnavailable: there is no answer.
    """
    try:
        return request()
    except EngineUnavailable as exc:
        if route.ssh is None or has_timed_out(exc):
            raise
    return request()


def first_errno(exc: BaseException) -> int | None:
    """Return the first errno in the chain of causes of *exc*, None if there is none."""
    return next((e.errno for e in _chain(exc) if isinstance(e, OSError) and e.errno), None)


def has_timed_out(exc: BaseException) -> bool:
    """Return whether *exc* comes from a socket's timeout."""
    return any(isinstance(e, TimeoutError) for e in _chain(exc))


def _innermost(exc: BaseException) -> BaseException:
    return [*_chain(exc)][-1]


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    """Yield *exc*, its cause, the cause of that, and so on; include suppressed contexts."""
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        yield exc
        exc = exc.__cause__ or exc.__context__


def made_id(host: str, storage: str) -> str:
    """Return an ID for the engine of that *host* whose files are in the directory *storage*."""
    import hashlib  # noqa: PLC0415 (loads OpenSSL; a local run needs no ID)

    return hashlib.sha256(f"{host}\0{storage}".encode(errors="replace")).hexdigest()


def members(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 (JSON)
    """Return the JSON object *value*; a Go program writes null for an empty one."""
    return value or {}


def elements(value: Any) -> Sequence[Any]:  # noqa: ANN401 (JSON)
    """Return the JSON array *value*; a Go program writes null for an empty one."""
    return value or ()
