"""What both adapters need of an HTTP service: whose socket it is, and what its failures mean."""

from __future__ import annotations

import errno
import re
import socket
import struct
from typing import TYPE_CHECKING, Any

from ramalama_engines.errors import EngineError, EngineUnavailable
from ramalama_values import frozen
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


_UCRED = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


@frozen(kw_only=False)
class FailurePattern:
    """A failure that an engine reports: the words that betray it, what it is, what to do.

    *words* is a regular expression, compiled when something has failed; its case does not matter,
    and ``.`` stands for a line's end too. *message* may name its groups in braces; the engine's
    own text is added to it.
    """

    words: str
    error: type[EngineError]
    message: str


def socket_path(url: str) -> str | None:
    """Return the path in ``unix:///path``, None for any other URL."""
    scheme, _, path = url.partition("://")
    return path if scheme == "unix" else None


def peer_uid(path: str) -> int | None:
    """Ask the kernel which user listens on the UNIX socket *path*; None where it cannot tell.

    Raises:
        OSError: nothing listens there, or we may not connect.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(path)
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(credentials)[1])


def explain(text: str, meanings: Iterable[FailurePattern], *, engine: str) -> EngineError | None:
    """Find what an engine's error *text* means; the first that matches, None for none."""
    for meaning in meanings:
        if found := re.search(meaning.words, text, re.IGNORECASE | re.DOTALL):
            named = {name: one_line(words or "") for name, words in found.groupdict().items()}
            message = f"{meaning.message.format(**named)} ({engine}: {one_line(text)})"
            return meaning.error(message, engine=engine)
    return None


def unavailable(exc: BaseException, *, engine: str, url: str) -> EngineUnavailable:
    """Say why *engine* did not answer at *url*, from the exception that its SDK raised.

    The SDKs wrap the cause several times, and only the operating system's error tells it.
    """
    hint = None
    match first_errno(exc):
        case errno.ENOENT:
            reason, hint = "there is no such socket", "is the service started?"
        case errno.ECONNREFUSED:
            reason, hint = "nothing listens there", "is the service started?"
        case errno.EACCES | errno.EPERM:
            reason, hint = "permission denied", "may this user use the socket?"
        case None:
            reason = f"no answer ({one_line(str(_innermost(exc)))})"
        case number:
            reason = errno.errorcode.get(number, str(number))
    return EngineUnavailable(f"{engine} at {url}: {reason}", hint=hint, engine=engine)


def first_errno(exc: BaseException) -> int | None:
    """Return the first errno in the chain of causes of *exc*, None where there is none."""
    return next((e.errno for e in _chain(exc) if isinstance(e, OSError) and e.errno), None)


def has_timed_out(exc: BaseException) -> bool:
    """Tell whether *exc* comes from a socket that waited too long."""
    return any(isinstance(e, TimeoutError) for e in _chain(exc))


def _innermost(exc: BaseException) -> BaseException:
    return [*_chain(exc)][-1]


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    """Yield *exc*, its cause, and so on; a context that was suppressed is still the truth."""
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        yield exc
        exc = exc.__cause__ or exc.__context__


def members(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 (JSON)
    """Return the JSON object *value*, empty for null."""
    return value or {}


def elements(value: Any) -> Sequence[Any]:  # noqa: ANN401 (JSON)
    """Return the JSON array *value*, empty for null."""
    return value or ()
