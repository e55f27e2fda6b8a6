"""Find out whether an engine runs on this host."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.serving.sides.side import HERE

if TYPE_CHECKING:
    from ramalama.serving.sides.side import EngineSide
    from ramalama_engines import Engine

_UNIX = "unix://"
_REMOTE = ("ssh://", "tcp://")
_UCRED = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED

# The programs that listen on an engine's socket; systemd(1) does so for an engine that is started
# by its socket. Another one forwards the socket, perhaps into a virtual machine.
_ENGINES = frozenset({"podman", "dockerd", "systemd", "init"})


def side_of(engine: Engine, run_dir: Path) -> EngineSide:
    """Return the host of *engine*; ask the engine only if it may be another one than this."""
    if _is_here(engine.url):
        return HERE
    from ramalama.serving.sides.remote import RemoteSide  # noqa: PLC0415 (for remote engines)

    return RemoteSide(engine, run_dir)


def _is_here(url: str) -> bool:
    if not url.startswith(_UNIX):
        return not url.startswith(_REMOTE)
    path = url.removeprefix(_UNIX)
    try:
        return _listener(path) in _ENGINES
    except OSError:  # no engine is there, which its first request will report
        return True


def _listener(path: str) -> str | None:
    """Return the name of the program that listens on a socket; None if the kernel hides it.

    Raises:
        OSError: nothing listens there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(path)
        if not hasattr(socket, "SO_PEERCRED"):
            return None
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid = int(_UCRED.unpack(credentials)[0])
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
