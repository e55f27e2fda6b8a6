"""Count the processors that a server can use: those allowed, and limited by CPU quotas.

The kernel limits the CPU time of a control group in each period: cgroups(7), `cpu.max` in version
2, `cpu.cfs_quota_us` in version 1. The strictest limit of all groups up to the root counts.
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
    for group, version in groups_of(root, "cpu"):
        if version == _SECOND:
            limit = read(group / "cpu.max")
        else:
            limit = f"{read(group / 'cpu.cfs_quota_us')} {read(group / 'cpu.cfs_period_us')}"
        if quota := _parse(limit):
            yield quota


def _parse(limit: str) -> float | None:
    """Parse ``QUOTA PERIOD`` in microseconds; None if QUOTA is "max" or -1, or is missing."""
    match limit.split():
        case [quota, period] if quota.isdecimal() and period.isdecimal() and int(period):
            return int(quota) / int(period)
        case _:
            return None
