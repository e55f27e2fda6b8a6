"""Run the command as if on macOS: ``python as_if_on_macos.py pull …``.

There is no /proc and no /sys, Python has fewer functions, and UNIX sockets have shorter paths. What
cannot be had here: its file systems, podman machine.
"""

from __future__ import annotations

import builtins
import io
import os
import socket
import sys
from importlib import import_module
from typing import Any

MISSING = {
    os: (
        *("sched_getaffinity", "sched_setaffinity", "posix_fallocate", "pidfd_open"),
        *("memfd_create", "copy_file_range"),
    ),
    socket: ("SO_PEERCRED", "SO_PASSCRED"),
}
HIDDEN = ("/proc", "/sys", "/etc/os-release")
LONGEST_SOCKET_PATH = 103  # bytes; sys/un.h


def hide(function: Any) -> Any:  # noqa: ANN401 (any function that takes a path first)
    """Return *function* without the files that macOS does not have."""

    def seen(path: Any, *args: Any, **options: Any) -> Any:  # noqa: ANN401 (see above)
        if not isinstance(path, int) and os.fsdecode(path).startswith(HIDDEN):
            raise FileNotFoundError(2, os.strerror(2), os.fsdecode(path))
        return function(path, *args, **options)

    return seen


def shorten(name: str) -> None:
    """Let the method *name* of sockets refuse the path of a UNIX socket that is too long."""
    method = getattr(socket.socket, name)

    def checked(self: socket.socket, address: Any) -> Any:  # noqa: ANN401 (of any family)
        if self.family == socket.AF_UNIX and len(os.fsencode(address)) > LONGEST_SOCKET_PATH:
            msg = "AF_UNIX path too long"
            raise OSError(msg)
        return method(self, address)

    setattr(socket.socket, name, checked)


def main() -> int:
    """Run the command."""
    # The standard library's own modules ask for the platform when they are imported.
    for name in ("asyncio", "ctypes", "multiprocessing", "ssl", "subprocess", "urllib.request"):
        import_module(name)
    # It has other sources there; here it needs those of Linux, by a name that is not hidden.
    vars(import_module("psutil"))["PROCFS_PATH"] = "//proc"
    for module, names in MISSING.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    sys.platform = "darwin"
    for module, name in ((os, "open"), (os, "stat"), (os, "listdir"), (builtins, "open")):
        setattr(module, name, hide(getattr(module, name)))
    io.open = builtins.open
    for name in ("bind", "connect", "connect_ex"):
        shorten(name)
    from ramalama.cli import main as command  # noqa: PLC0415

    return command()


if __name__ == "__main__":
    sys.exit(main())
