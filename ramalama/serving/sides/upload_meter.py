"""Report the upload of a file now and then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ramalama.events import UploadProgress

if TYPE_CHECKING:
    from ramalama.events import EventHook

_EVERY = 0.1  # seconds between two reports


class UploadMeter:
    """Reports how much of the file *name* has arrived, of *total* bytes, as `UploadProgress`.

    The first report and the end of the file are always passed on.
    """

    def __init__(self, name: str, total: int, tell: EventHook) -> None:
        self._name = name
        self._total = total
        self._tell = tell
        self._reported = 0.0

    def report(self, done: int) -> None:
        """Report that *done* bytes have arrived."""
        now = time.monotonic()
        if done == self._total or now >= self._reported + _EVERY:
            self._reported = now
            self._tell(UploadProgress(self._name, done, self._total))
