"""The threads of a transfer, and how they tell that they are through."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from ramalama.events import DownloadRetrying
from ramalama.system.uninterrupted import run_uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds. A thread that is connecting cannot be woken; it ends by itself, and writes nothing more.
_LONGEST_GOODBYE = 2.0


class WorkerRole(Enum):
    """What a thread is there for."""

    STREAM = auto()
    HASHER = auto()
    SAVER = auto()


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """A thread is through; *error* is what it raised."""

    role: WorkerRole
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class ResponseAccepted:
    """The first answer came, and bytes follow: more streams may come."""


Message = WorkerEnded | ResponseAccepted | DownloadRetrying


class WorkerPool:
    """Starts threads, and brings what they say into the thread of whoever started them."""

    def __init__(self) -> None:
        self._messages: SimpleQueue[Message] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self, role: WorkerRole, work: Callable[[], None]) -> None:
        """Do *work* in a thread of its own."""

        def run() -> None:
            error: BaseException | None = None
            try:
                work()
            except BaseException as exc:  # noqa: BLE001 (raised again by whoever hears of it)
                error = exc
            self._messages.put(WorkerEnded(role, error))

        name = f"ramalama-{role.name.lower()}"
        thread = threading.Thread(target=run, name=name, daemon=True)

        def begin() -> None:
            thread.start()
            self._threads.append(thread)

        run_uninterrupted(begin)  # no thread may run that is not in the list

    def tell(self, message: Message) -> None:
        """Say something from within a thread."""
        self._messages.put(message)

    def next_message(self, timeout: float) -> Message | None:
        """Return what was said next, None if nothing was within *timeout* seconds."""
        try:
            return self._messages.get(timeout=timeout)
        except Empty:
            return None

    def join(self) -> bool:
        """Wait for all threads; False if one would take too long."""
        latest = time.monotonic() + _LONGEST_GOODBYE
        for thread in self._threads:
            thread.join(max(0.0, latest - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)
