"""Show the progress of a download: one changing line on a terminal, else one line per event."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TYPE_CHECKING, assert_never

from ramalama.cli.output.terminal import Status, print_error
from ramalama.events import (
    DownloadPlanned,
    DownloadProgress,
    DownloadRetrying,
    DownloadWaiting,
    FileReady,
    ModelReady,
)
from ramalama.units import human_duration, human_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.events import DownloadEvent

_WINDOW = 5.0  # seconds; the speed is the average over this time


class TransferProgress:
    """Shows the events of a download on stderr.

    *clock* returns seconds; only differences between its values matter.
    """

    def __init__(
        self, status: Status, *, quiet: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._status = status
        self._quiet = quiet
        self._clock = clock
        self._to_fetch: int | None = None
        self._done_before: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._samples: deque[tuple[float, int]] = deque()

    def follow(self, event: DownloadEvent) -> None:
        """Show one event."""
        match event:
            case DownloadPlanned():
                self._announce(event)
            case DownloadProgress():
                self._show_progress(event)
            case DownloadWaiting():
                self._print(f"Another process is downloading {event.file}; waiting for it …")
            case DownloadRetrying():
                pause = f"trying again in {human_duration(event.seconds)}"
                then = pause if event.seconds else "starting again"
                self._print(f"{event.file}: {event.reason}; {then}")
            case FileReady():
                # On a terminal, the progress line has shown it.
                if not sys.stderr.isatty():
                    self._print(f"Fetched {event.file} ({human_size(event.size)})")
            case ModelReady():
                self._status.clear()
            case _:
                assert_never(event)

    def _announce(self, event: DownloadPlanned) -> None:
        self._to_fetch = event.missing
        if event.missing == 0:
            return
        files = "1 file" if event.files == 1 else f"{event.files} files"
        size = "" if event.missing is None else f", {human_size(event.missing)} to fetch"
        self._print(f"Pulling {event.model} ({files}{size}) …")

    def _show_progress(self, event: DownloadProgress) -> None:
        self._done_before.setdefault(event.file, event.done)
        self._done[event.file] = event.done
        done = sum(self._done.values())
        total = self._total(event)
        speed = self._speed(done - sum(self._done_before.values()))
        share = f"{min(done / total, 1):4.0%}  " if total else ""
        words = [f"{human_size(done)} of {human_size(total)}" if total else human_size(done)]
        if speed:
            words.append(f"{human_size(speed)}/s")
        if speed and total:
            words.append(f"{human_duration((total - done) / speed)} left")
        self._status.show(share + ", ".join(words))

    def _total(self, event: DownloadProgress) -> int | None:
        return self._to_fetch if self._to_fetch is not None else event.total

    def _speed(self, received: int) -> float:
        """Return the average bytes per second; *received* excludes what was on the disk before."""
        now = self._clock()
        self._samples.append((now, received))
        while now - self._samples[0][0] > _WINDOW:
            self._samples.popleft()
        since, before = self._samples[0]
        return (received - before) / (now - since) if now > since else 0.0

    def _print(self, text: str) -> None:
        if not self._quiet:
            self._status.clear()
            print_error(text)
