"""What vLLM's log says of its end, and of what it computes with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ramalama.runtimes.base import CPU, ServerReport

if TYPE_CHECKING:
    from collections.abc import Iterable


# What a dead server said, and what it means; the first match of the earliest row wins, since
# the rows go from the cause to its consequences.
_CAUSES = (
    (r"error: unrecognized arguments: (?P<it>.+)", "it does not know the argument {it}"),
    (r"Error: (?P<it>.+)", "{it}"),
)


def find_cause(log: Iterable[str]) -> str | None:
    """Find why the server died; see `Runtime.explain`."""
    lines = tuple(log)
    for pattern, meaning in _CAUSES:
        for line in lines:
            if match := re.search(pattern, line):
                return meaning.format(**match.groupdict())
    return None


def read_report(log: Iterable[str]) -> ServerReport:
    """Read what the server computes with; see `Runtime.report`."""
    lines = tuple(log)
    return ServerReport(device=CPU if any("device_config=cpu" in line for line in lines) else None)
