"""Return how much memory a server could use on this host now.

It is the memory that the kernel calls available (proc(5), `MemAvailable`), or what the strictest
limit of this process's control groups leaves: cgroups(7), `memory.max` in version 2,
`memory.limit_in_bytes` in version 1. The page cache of a group counts as used there, although the
kernel can drop it, so it is counted as available here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.system.cgroups import groups_of, read

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path("/")
_KIB = 1024
_FILES = {
    2: ("memory.max", "memory.current"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes"),
}
_CACHE = {2: "inactive_file", 1: "total_inactive_file"}


def available_memory(root: Path = _ROOT) -> int | None:
    """Return how many bytes a process can still use; None if the kernel does not say.

    *root* contains /proc and /sys.
    """
    amounts = [*_of_the_machine(root), *_of_our_groups(root)]
    return min(amounts, default=None)


def _of_the_machine(root: Path) -> Iterator[int]:
    amount = _table(read(root / "proc/meminfo")).get("MemAvailable:")
    if amount is not None:
        yield amount * _KIB


def _of_our_groups(root: Path) -> Iterator[int]:
    for group, version in groups_of(root, "memory"):
        limit, usage = (read(group / name).strip() for name in _FILES[version])
        if limit.isdecimal() and usage.isdecimal():
            cache = _table(read(group / "memory.stat")).get(_CACHE[version], 0)
            yield max(0, int(limit) - max(0, int(usage) - cache))


def _table(text: str) -> dict[str, int]:
    """Parse lines of a name and a number; other lines are skipped."""
    rows = (line.split() for line in text.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}
