"""Find the control groups of this process, and read their limits; cgroups(7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CGROUPS = "sys/fs/cgroup"


def groups_of(root: Path, controller: str) -> Iterator[tuple[Path, int]]:
    """Yield the directory of each group of this process, and the version of its interface.

    *root* contains /proc and /sys. If both versions are mounted, the groups of both are yielded.
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
    """Return the directories of the group at *path* and of all groups that contain it.

    In a container, *path* may be the host's, or begin with ``..``. The container's own group is
    mounted at the top then, so the top is always included.
    """
    parts = [part for part in path.split("/") if part]
    if ".." in parts:
        return (top,)
    return tuple(top.joinpath(*parts[:length]) for length in range(len(parts), -1, -1))


def read(path: Path) -> str:
    """Return the content of a file of the kernel; "" if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
