"""One attempt to download a blob: what its threads share, and how they save and report."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

from ramalama.events import DownloadRetrying
from ramalama.models.download.journal import Journal, total
from ramalama.models.download.plan import Plan
from ramalama.models.download.response import ResponseValidator
from ramalama.models.download.source import Connections
from ramalama.system.uninterrupted import run_uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.models.download.limits import Limits
    from ramalama.models.download.partial import Partial
    from ramalama.models.download.source import Source
    from ramalama.models.download.values import RemoteBlob


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadMode:
    """How to request a blob: in parts or as a whole, and on how many connections at first."""

    ranges: bool
    streams: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The blob, its partial file, its source, and everything that the threads share."""

    blob: RemoteBlob
    partial: Partial
    source: Source
    mode: DownloadMode
    limits: Limits
    plan: Plan
    terms: ResponseValidator
    saver: Saver
    connections: Connections

    @classmethod
    def prepare(
        cls, blob: RemoteBlob, partial: Partial, source: Source, mode: DownloadMode, limits: Limits
    ) -> Self:
        """Continue with the content of *partial*, or begin anew; no request is sent yet."""
        journal = partial.find_journal()
        if journal is None or not _continues(journal, blob):
            partial.clear()
            journal = None
        size = journal.size if journal else blob.size
        plan = Plan(limits, size=size, written=journal.spans if journal else ())
        validator = journal.validator if journal else None
        terms = ResponseValidator(blob, validator=validator, ranges=mode.ranges)
        return cls(
            blob=blob,
            partial=partial,
            source=source,
            mode=mode,
            limits=limits,
            plan=plan,
            terms=terms,
            saver=Saver(plan, partial, terms, limits),
            connections=Connections(),
        )


def _continues(journal: Journal, blob: RemoteBlob) -> bool:
    """Return whether the bytes of a journal belong to the blob, as far as that can be known."""
    return (
        journal.identity == blob.identity
        and blob.size in {None, journal.size}
        and (blob.digest is not None or journal.validator is not None)
    )


class Saver:
    """Writes the journal of a transfer, and delays streams that are too far ahead of it."""

    def __init__(
        self, plan: Plan, partial: Partial, terms: ResponseValidator, limits: Limits
    ) -> None:
        self._plan = plan
        self._partial = partial
        self._terms = terms
        self._limits = limits
        self._saved = plan.written

    def run(self) -> None:
        """Save after so many bytes or seconds, until the file is complete.

        Raises:
            Stopped: the transfer has ended; the caller must save for the last time.
        """
        while True:
            self._plan.wait_until(self._is_due, self._limits.save_every)
            if self._plan.complete:
                return
            self.save()

    def save(self) -> None:
        """Write the data to the disk, and then the journal that lists it."""
        spans = self._plan.spans()
        self._partial.sync()
        size = self._plan.size
        if size is not None and self._terms.resumable:
            journal = Journal(
                identity=self._terms.blob.identity,
                size=size,
                validator=self._terms.validator,
                spans=spans,
            )
            self._partial.write_journal(journal)
        self._saved = total(spans)
        self._plan.notify()

    def leave(self) -> None:
        """Save for the last time, or remove the files if the download cannot be continued."""
        spans = self._plan.spans()
        if spans and self._plan.size is not None and self._terms.resumable:
            self.save()
            self._partial.trim(spans[-1].end)
        else:
            self._partial.remove()

    def wait_for_room(self) -> None:
        """Wait until a crash of the machine could not lose more than the limit.

        Raises:
            Stopped: the transfer has ended.
        """
        if not self._has_room():
            self._plan.wait_until(self._has_room)

    def _has_room(self) -> bool:
        return self._plan.written - self._saved < self._limits.unsaved

    def _is_due(self) -> bool:
        behind = self._plan.written - self._saved
        return behind >= self._limits.save_after or self._plan.complete


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
