"""How many processors there are for a server."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Count the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_threads() -> int:
    """Return half the usable cores, the manual page's default; at least one."""
    return max(1, usable_cores() // 2)
