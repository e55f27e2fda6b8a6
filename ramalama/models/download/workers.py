"""The threads of a transfer, and the messages by which they report."""

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

# Seconds. A thread that is connecting cannot be woken; it ends later, and writes nothing more.
_JOIN_TIMEOUT = 2.0


class WorkerRole(Enum):
    """The task of a thread."""

    STREAM = auto()
    HASHER = auto()
    SAVER = auto()


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """A thread has ended; *error* is its exception."""

    role: WorkerRole
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class ResponseAccepted:
    """The first response has arrived, so that more streams may start."""


Message = WorkerEnded | ResponseAccepted | DownloadRetrying


class WorkerPool:
    """Starts threads, and brings their messages to the thread that started them."""

    def __init__(self) -> None:
        self._messages: SimpleQueue[Message] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self, role: WorkerRole, work: Callable[[], None]) -> None:
        """Run *work* in a new thread."""

        def run() -> None:
            error: BaseException | None = None
            try:
                work()
            except BaseException as exc:  # noqa: BLE001 (sent to the supervising thread)
                error = exc
            self._messages.put(WorkerEnded(role, error))

        name = f"ramalama-{role.name.lower()}"
        thread = threading.Thread(target=run, name=name, daemon=True)

        def begin() -> None:
            thread.start()
            self._threads.append(thread)

        run_uninterrupted(begin)  # every running thread must be in the list

    def tell(self, message: Message) -> None:
        """Send a message from a worker thread."""
        self._messages.put(message)

    def next_message(self, timeout: float) -> Message | None:
        """Return the next message; None if there is none within *timeout* seconds."""
        try:
            return self._messages.get(timeout=timeout)
        except Empty:
            return None

    def join(self) -> bool:
        """Wait for all threads; return False if one takes too long."""
        latest = time.monotonic() + _JOIN_TIMEOUT
        for thread in self._threads:
            thread.join(max(0.0, latest - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)
