"""Remove the servers that this process has left when their keep-alive time is over.

This only saves waiting for the next command, which would remove them as well: see `cleanup`.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from typing import TYPE_CHECKING

from ramalama_engines.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.serving.handle import ServerHandle

_log = logging.getLogger("ramalama.launch")
_SHORTEST_PAUSE = 1.0  # seconds, also for a server that has users again


class KeptServers:
    """The servers that were left and are kept alive; each is looked at when its time may be over.

    One thread sleeps until then; there is none without such servers. In a process that was forked
    meanwhile there are none at first: they are the parent's.
    """

    def __init__(self) -> None:
        self._opener = os.getpid()
        self._changed = threading.Condition()
        self._handles: dict[Path, tuple[float, ServerHandle]] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    def add(self, handle: ServerHandle) -> None:
        """Remove the server of *handle* when its time is over; *handle* is about to be left."""
        if self._opener != os.getpid():  # the lock may have been held when it was forked
            self._opener, self._changed = os.getpid(), threading.Condition()
            self._handles, self._thread = {}, None
        with self._changed:
            if self._closed:
                return
            self._handles[handle.records] = (time.monotonic(), handle)
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ramalama-kept", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Leave the servers to the next command."""
        if self._opener != os.getpid():
            return
        with self._changed:
            self._closed = True
            self._handles.clear()
            self._changed.notify()

    def _run(self) -> None:
        while (found := self._next()) is not None:
            records, handle = found
            left = _time_left(handle)
            with self._changed:
                if records not in self._handles:  # closed
                    continue
                if left is None or math.isinf(left):
                    del self._handles[records]
                else:
                    due = time.monotonic() + max(left, _SHORTEST_PAUSE)
                    self._handles[records] = (due, handle)

    def _next(self) -> tuple[Path, ServerHandle] | None:
        """Sleep until a server is due and return it; None if there is none any more."""
        with self._changed:
            while self._handles:
                records, (due, handle) = min(self._handles.items(), key=lambda each: each[1][0])
                pause = due - time.monotonic()
                if pause <= 0:
                    return records, handle
                self._changed.wait(pause)
            self._thread = None
            return None


def _time_left(handle: ServerHandle) -> float | None:
    """Remove the server if its time is over; return the seconds until then, None for none."""
    try:
        return handle.end_if_idle()
    except (EngineError, OSError) as exc:
        _log.info("could not end an idle server, the next command tries again: %s", exc)
        return None
