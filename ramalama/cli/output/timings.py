"""Measure how long each step of `ramalama run` takes; `--timings` prints it."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from ramalama.cli.output.terminal import print_error
from ramalama.events import (
    ContainerCreated,
    ContainerStarted,
    EngineConnected,
    ImageReady,
    ServerReady,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from ramalama.events import Event

_NAMES: Mapping[type, str] = {
    EngineConnected: "engine answered",
    ImageReady: "image ready",
    ContainerCreated: "container created",
    ContainerStarted: "container started",
    ServerReady: "model loaded",
}


# The clock of the start times in /proc, which count from boot. Other systems have no /proc, so any
# monotonic clock is right there.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Timings:
    """Records when each step was reached, in seconds since the process began.

    If the system does not report when it began, the time starts with this object.
    """

    def __init__(self) -> None:
        self._began = _process_start()
        self._marks: list[tuple[str, float]] = []
        self.mark("command line read")

    def mark(self, name: str) -> None:
        """Record that the step *name* was reached now; only the first call for a name counts."""
        if all(name != known for known, _ in self._marks):
            self._marks.append((name, time.clock_gettime(_CLOCK) - self._began))

    def note(self, event: Event) -> None:
        """Record the step that *event* completes, if it completes one."""
        if name := _NAMES.get(type(event)):
            self.mark(name)

    def watch_first(self, pieces: Generator[str, None, None]) -> Generator[str, None, None]:
        """Yield the pieces of an answer, and record when the first one arrives."""
        with closing(pieces):
            for piece in pieces:
                self.mark("first token")
                yield piece

    def report(self) -> None:
        """Print when each step was reached and how long it took, in milliseconds."""
        before = 0.0
        for name, at in self._marks:
            print_error(f"{at * 1000:8.0f} ms  +{(at - before) * 1000:6.0f}  {name}")
            before = at


def _process_start() -> float:
    """Return when this process began, in seconds on the boot-time clock; proc(5), field 22."""
    import os  # noqa: PLC0415 (only with --timings)
    from pathlib import Path  # noqa: PLC0415 (only with --timings)

    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return time.clock_gettime(_CLOCK)
