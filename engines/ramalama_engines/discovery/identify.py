"""Find out which kind of engine answers at an address.

This is the only request that uses requests-unixsocket, if the engine has a socket on this host.
Each SDK supports only its own kind of engine, and importing the wrong one takes 25 to 50 ms, so the
kind is determined without an SDK. All later requests use the session of the engine's SDK
(`podman.session`, `docker.session`).
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from ramalama_engines.discovery.lazy_imports import lazy_imports
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from ramalama_engines.route import Route

# Only an engine that hangs takes this long. An engine that is started by its socket needs a few
# seconds on a slow disk.
TIMEOUT = 10.0
_GROUP_WRITES = 0o020
_NO_ENGINE = "the service that answers there is not a container engine"


class NotListening(EngineUnavailable):
    """Nothing listens at the address: the engine is not started, or its socket is elsewhere."""


def identify(route: Route, *, timeout: float = TIMEOUT) -> EngineKind:
    """Return which API the engine at the end of *route* offers; wait at most *timeout* seconds.

    Raises:
        EngineUnavailable: no engine answers. The message is only the reason: the caller knows the
            address and where it came from.
    """
    path = route.socket_path
    headers = _ask(route, timeout) if path is None else _ask_socket(route, path, timeout)
    if "libpod-api-version" in headers:
        return EngineKind.PODMAN
    if "api-version" in headers:  # not `Server`: a proxy before the engine may put its own there
        return EngineKind.DOCKER
    raise EngineUnavailable(_NO_ENGINE)


def _ask(route: Route, timeout: float) -> frozenset[str]:
    """Ask an engine that has no socket on this host, without its SDK."""
    from ramalama_engines.rest.ping import ping  # noqa: PLC0415 (a local engine is asked otherwise)

    try:
        return ping(route, timeout=timeout)
    except OSError as exc:
        raise _failure(exc, None) from exc


def _ask_socket(route: Route, path: str, timeout: float) -> frozenset[str]:
    """Ask the engine at the socket *path*.

    If no process listens, an attempt to connect saves the import of requests, a tenth of a second,
    and raises the error of the operating system. requests-unixsocket (0.4) wraps it, and does not
    close its socket.
    """
    if not path.startswith("/") or not path.isprintable():
        msg = f"{path!r} is not an absolute path"
        raise EngineUnavailable(msg)
    try:
        route.dial(timeout).close()
        return _ping(path, timeout)
    except OSError as exc:  # requests' own errors are OSErrors too
        raise _failure(exc, path) from exc


def _ping(path: str, timeout: float) -> frozenset[str]:
    """Return the names of the headers, in small letters, of the answer to ``GET /_ping``."""
    from urllib.parse import quote  # noqa: PLC0415 (all three: only where something listens)

    with lazy_imports():
        import requests  # noqa: PLC0415
        from requests_unixsocket import Session  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs] (it ships none)

    session: requests.Session
    with Session() as session:
        session.trust_env = False  # no proxy and no .netrc for a local socket
        url = f"http+unix://{quote(path, safe='')}/_ping"
        try:
            with session.get(url, timeout=timeout, stream=True, allow_redirects=False) as answer:
                return frozenset(map(str.lower, answer.headers))
        except requests.Timeout as exc:
            msg = f"no answer within {timeout:g} seconds"
            raise TimeoutError(msg) from exc


def _failure(exc: OSError, path: str | None) -> EngineUnavailable:
    match exc.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return NotListening("it does not exist")
        case errno.ECONNREFUSED:
            return NotListening("no process listens there")
        case errno.EACCES | errno.EPERM:
            remedy = _permission_remedy(path) if path else ""
            return EngineUnavailable(f"permission denied{remedy}")
        case _:
            return EngineUnavailable(one_line(exc.strerror or str(exc)))


def _permission_remedy(path: str) -> str:
    """Return how to join the socket's group, "" if that does not help; dockerd(8), `--group`."""
    import grp  # noqa: PLC0415 (UNIX only, and only after a refusal)

    try:
        status = os.stat(path)  # noqa: PTH116 (a Path buys nothing here)
        group = grp.getgrgid(status.st_gid).gr_name
    except (OSError, KeyError):  # no permission for the directory; a group without a name
        return ""
    if status.st_gid == 0 or not status.st_mode & _GROUP_WRITES:
        return ""
    return f'; join its group with: sudo usermod -aG {group} "$USER", then log in again'
