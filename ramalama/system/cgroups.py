"""Where this process stands in the kernel's groups, and what limits it there; cgroups(7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CGROUPS = "sys/fs/cgroup"


def groups_of(root: Path, controller: str) -> Iterator[tuple[Path, int]]:
    """Yield the directory of each group that we are in, and the version of its interface.

    *root* is where /proc and /sys are. Where both versions are mounted, both are told.
    """
    for line in read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            for group in _way_up(root / _CGROUPS, path):
                yield group, 2
        elif controller in controllers.split(","):
            for group in _way_up(root / _CGROUPS / controller, path):
                yield group, 1


def _way_up(top: Path, path: str) -> tuple[Path, ...]:
    """Return the group at *path* and those that it lies in.

    In a container the path may be the host's, or begin with ``..``; what is mounted is the
    container's own group then, so the top is always looked at.
    """
    parts = [part for part in path.split("/") if part]
    if ".." in parts:
        return (top,)
    return tuple(top.joinpath(*parts[:length]) for length in range(len(parts), -1, -1))


def read(path: Path) -> str:
    """Return what a file of the kernel's says; nothing where it is not there."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
