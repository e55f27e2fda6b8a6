"""How many processors there are for a server: those that we may run on, and for how long.

The kernel limits a group of processes to so much time in each period: cgroups(7), `cpu.max` in
version 2, `cpu.cfs_quota_us` in version 1. The strictest limit on the way up to the root counts.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path("/")
_CGROUPS = "sys/fs/cgroup"


def usable_cores(root: Path = _ROOT) -> int:
    """Count the processors that this process may use; *root* is where its /proc and /sys are."""
    cores = float(_allowed_cores())
    return max(1, int(min((cores, *_quotas(root)))))  # part of one is no place for a thread


def default_threads() -> int:
    """Return half the usable cores, the manual page's default; at least one."""
    return max(1, usable_cores() // 2)


def _allowed_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """Yield each limit on us, in processors."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            groups = _way_up(root / _CGROUPS, path)
            limits = [_read(group / "cpu.max") for group in groups]
        elif "cpu" in controllers.split(","):
            groups = _way_up(root / _CGROUPS / "cpu", path)
            limits = [
                f"{_read(group / 'cpu.cfs_quota_us')} {_read(group / 'cpu.cfs_period_us')}"
                for group in groups
            ]
        else:
            continue
        yield from (quota for limit in limits if (quota := _parse(limit)))


def _way_up(top: Path, path: str) -> tuple[Path, ...]:
    """Return the group at *path* and those that it lies in.

    In a container the path may be the host's, or begin with ``..``; what is mounted is the
    container's own group then, so the top is always looked at.
    """
    parts = [part for part in path.split("/") if part]
    if ".." in parts:
        return (top,)
    return tuple(top.joinpath(*parts[:length]) for length in range(len(parts), -1, -1))


def _parse(limit: str) -> float | None:
    """Read ``QUOTA PERIOD``, microseconds; None where QUOTA is "max" or -1, or is not told."""
    match limit.split():
        case [quota, period] if quota.isdecimal() and period.isdecimal() and int(period):
            return int(quota) / int(period)
        case _:
            return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
