"""Interleaved rounds: every contender once per round, and ratios between medians."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Times = dict[str, list[float]]


def run_rounds(contenders: Mapping[str, Callable[[], float]], rounds: int) -> Times:
    """Call each contender once to warm up, then once per round; each returns its time."""
    for contender in contenders.values():
        contender()
    times: Times = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            times[name].append(contender())
    return times


def report(times: Times, floor: str, *, unit: str = "ms") -> None:
    """Print each contender's median, and the median of its ratios to *floor*, round by round."""
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(values, times[floor], strict=True))
        print(
            f"{name:34} {statistics.median(values):8.1f} {unit}   {ratio:6.2f} x {floor}"
            f"   (min {min(values):.1f}, max {max(values):.1f})"
        )
