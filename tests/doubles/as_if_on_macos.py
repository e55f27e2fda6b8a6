"""Run the command as if on macOS: ``python as_if_on_macos.py pull …``.

There is no /proc and no /sys, and Python has fewer functions. What cannot be had here: its file
systems, its sockets, podman machine.
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


def hide(function: Any) -> Any:  # noqa: ANN401 (any function that takes a path first)
    """Return *function* without the files that macOS does not have."""

    def seen(path: Any, *args: Any, **options: Any) -> Any:  # noqa: ANN401 (see above)
        if not isinstance(path, int) and os.fsdecode(path).startswith(HIDDEN):
            raise FileNotFoundError(2, os.strerror(2), os.fsdecode(path))
        return function(path, *args, **options)

    return seen


def main() -> int:
    """Run the command."""
    # The standard library's own modules ask for the platform when they are imported.
    for name in ("asyncio", "ctypes", "multiprocessing", "ssl", "subprocess", "urllib.request"):
        import_module(name)
    for module, names in MISSING.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    sys.platform = "darwin"
    for module, name in ((os, "open"), (os, "stat"), (os, "listdir"), (builtins, "open")):
        setattr(module, name, hide(getattr(module, name)))
    io.open = builtins.open
    from ramalama.cli import main as command  # noqa: PLC0415

    return command()


if __name__ == "__main__":
    sys.exit(main())
