"""Count the cores and the memory that a server can use, within the limits of its control groups.

cgroups(7): `cpu.max`, `memory.max` and `memory.current` in version 2; `cpu.cfs_quota_us`,
`memory.limit_in_bytes` and `memory.usage_in_bytes` in version 1. The strictest limit of all groups
up to the root counts. The page cache of a group counts as used there, although the kernel can drop
it, so it is counted as available here. Memory of the machine: proc(5), `MemAvailable`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


_ROOT = Path("/")
_CGROUPS = "sys/fs/cgroup"
_SECOND = 2
_KIB = 1024
_FILES = {
    2: ("memory.max", "memory.current"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes"),
}
_CACHE = {2: "inactive_file", 1: "total_inactive_file"}


def usable_cores(root: Path = _ROOT) -> int:
    """Return the number of processors that this process may use; *root* contains /proc and /sys."""
    cores = float(_allowed_cores())
    return max(1, int(min((cores, *_quotas(root)))))  # a fraction of a processor is not used


def default_threads() -> int:
    """Return half the usable cores, but at least one; the default of `--threads`."""
    return max(1, usable_cores() // 2)


def _allowed_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """Yield each quota of this process, in processors."""
    for group, version in _groups_of(root, "cpu"):
        if version == _SECOND:
            limit = _read(group / "cpu.max")
        else:
            limit = f"{_read(group / 'cpu.cfs_quota_us')} {_read(group / 'cpu.cfs_period_us')}"
        if quota := _parse_quota(limit):
            yield quota


def _parse_quota(limit: str) -> float | None:
    """Parse ``QUOTA PERIOD`` in microseconds; None if QUOTA is "max" or -1, or is missing."""
    match limit.split():
        case [quota, period] if quota.isdecimal() and period.isdecimal() and int(period):
            return int(quota) / int(period)
        case _:
            return None


def available_memory(root: Path = _ROOT) -> int | None:
    """Return how many bytes a process can still use; None if the kernel does not say.

    *root* contains /proc and /sys.
    """
    amounts = [*_of_the_machine(root), *_of_our_groups(root)]
    return min(amounts, default=None)


def _of_the_machine(root: Path) -> Iterator[int]:
    amount = _parse_table(_read(root / "proc/meminfo")).get("MemAvailable:")
    if amount is not None:
        yield amount * _KIB


def _of_our_groups(root: Path) -> Iterator[int]:
    for group, version in _groups_of(root, "memory"):
        limit, usage = (_read(group / name).strip() for name in _FILES[version])
        if limit.isdecimal() and usage.isdecimal():
            cache = _parse_table(_read(group / "memory.stat")).get(_CACHE[version], 0)
            yield max(0, int(limit) - max(0, int(usage) - cache))


def _parse_table(text: str) -> dict[str, int]:
    """Parse lines of a name and a number; other lines are skipped."""
    rows = (line.split() for line in text.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}


def _groups_of(root: Path, controller: str) -> Iterator[tuple[Path, int]]:
    """Yield the directory of each group of this process, and the version of its interface.

    *root* contains /proc and /sys. If both versions are mounted, the groups of both are yielded.
    """
    for line in _read(root / "proc/self/cgroup").splitlines():
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


def _read(path: Path) -> str:
    """Return the content of a file of the kernel; "" if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
