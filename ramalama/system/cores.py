"""How many processors there are for a server: those that we may run on, and for how long.

The kernel limits a group of processes to so much time in each period: cgroups(7), `cpu.max` in
version 2, `cpu.cfs_quota_us` in version 1. The strictest limit on the way up to the root counts.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.system.cgroups import groups_of, read

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path("/")
_SECOND = 2


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
    for group, version in groups_of(root, "cpu"):
        if version == _SECOND:
            limit = read(group / "cpu.max")
        else:
            limit = f"{read(group / 'cpu.cfs_quota_us')} {read(group / 'cpu.cfs_period_us')}"
        if quota := _parse(limit):
            yield quota


def _parse(limit: str) -> float | None:
    """Read ``QUOTA PERIOD``, microseconds; None where QUOTA is "max" or -1, or is not told."""
    match limit.split():
        case [quota, period] if quota.isdecimal() and period.isdecimal() and int(period):
            return int(quota) / int(period)
        case _:
            return None
