"""Find out which kind of engine answers at an address.

This is the only request that goes through requests-unixsocket. Each SDK speaks to its own kind of
engine, and a wrong guess would cost its import, 25 to 50 ms; so the kind is asked for with neither.
All later requests use the session of the engine's SDK (`podman_session`, `docker_session`).
"""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

from ramalama_engines.discovery.lazy_imports import lazy_imports
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

# Only an engine that hangs makes anybody wait so long; one that its socket has just woken up
# needs a few seconds on a slow disk.
PATIENCE = 10.0
_GROUP_WRITES = 0o020


def identify(url: str, *, patience: float = PATIENCE) -> EngineKind:
    """Ask the engine at *url* which API it speaks; *patience* in seconds.

    Raises:
        EngineUnavailable: nobody answers, or no engine, or the address is of a kind that we do
            not reach. Its text is the reason alone: the caller knows the address and who gave it.
    """
    scheme, _, rest = url.partition("://")
    match scheme:
        case "unix":
            return _identify_unix(rest, patience)
        case "ssh" | "tcp" | "http" | "https" | "npipe" | "fd":
            msg = f"{scheme}:// is not supported, this version reaches engines over unix:// only"
        case _:
            msg = "this is no engine's address, which looks like unix:///run/podman/podman.sock"
    raise EngineUnavailable(msg)


def without_password(url: str) -> str:
    """Hide what stands before the @ of a network address, for messages."""
    return url if url.startswith("unix:") else re.sub(r"//.*@", "//***@", url)


def _identify_unix(path: str, patience: float) -> EngineKind:
    if not path.startswith("/") or not path.isprintable():
        msg = f"{path!r} is not an absolute path"
        raise EngineUnavailable(msg)
    try:
        _knock(path, patience)
        headers = _ping(path, patience)
    except OSError as exc:  # requests' own errors are OSErrors too
        raise EngineUnavailable(_reason(exc, path)) from exc
    if "Libpod-API-Version" in headers:
        return EngineKind.PODMAN
    if "Api-Version" in headers:  # not `Server`: a proxy before the engine may put its own there
        return EngineKind.DOCKER
    msg = "what answers there is no container engine"
    raise EngineUnavailable(msg)


def _knock(path: str, patience: float) -> None:
    """Connect, and no more.

    Where nothing listens, this saves the import of requests, a tenth of a second, and gives the
    error of the operating system; requests-unixsocket (0.4) wraps it, and leaves its socket open.
    """
    import socket  # noqa: PLC0415 (not before an engine is wanted)

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(patience)
        client.connect(path)


def _ping(path: str, patience: float) -> Mapping[str, str]:
    """Return the headers with which the service at the socket answers ``GET /_ping``."""
    from urllib.parse import quote  # noqa: PLC0415 (all three: only where something listens)

    with lazy_imports():
        import requests  # noqa: PLC0415
        from requests_unixsocket import Session  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs] (it ships none)

    session: requests.Session
    with Session() as session:
        session.trust_env = False  # neither a proxy nor .netrc stands between us and a socket
        url = f"http+unix://{quote(path, safe='')}/_ping"
        try:
            with session.get(url, timeout=patience, stream=True, allow_redirects=False) as answer:
                return answer.headers
        except requests.Timeout as exc:
            msg = f"no answer within {patience:g} seconds"
            raise TimeoutError(msg) from exc


def _reason(exc: OSError, path: str) -> str:
    match exc.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return "not there"
        case errno.ECONNREFUSED:
            return "nothing listens there"
        case errno.EACCES | errno.EPERM:
            return f"permission denied{_permission_remedy(path)}"
        case _:
            return one_line(exc.strerror or str(exc))


def _permission_remedy(path: str) -> str:
    """Name the group that may use the socket, if there is one; dockerd(8), `--group`."""
    import grp  # noqa: PLC0415 (UNIX only, and only after a refusal)

    try:
        status = os.stat(path)  # noqa: PTH116 (a Path buys nothing here)
        group = grp.getgrgid(status.st_gid).gr_name
    except (OSError, KeyError):  # a directory that we may not search; a group without a name
        return ""
    if status.st_gid == 0 or not status.st_mode & _GROUP_WRITES:
        return ""
    return f'; join its group with: sudo usermod -aG {group} "$USER", then log in again'
