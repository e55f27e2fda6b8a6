"""One attempt at a blob: threads that fetch, hash and save, and one that watches them."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.errors import ModelPullError
from ramalama.events import DownloadProgress, DownloadRetrying
from ramalama.models.download.disk_space import disk_errors
from ramalama.models.download.limits import AdaptiveConcurrency
from ramalama.models.download.plan import Stopped
from ramalama.models.download.stream import Stream
from ramalama.models.download.workers import ResponseAccepted, WorkerEnded, WorkerPool, WorkerRole
from ramalama.models.formats.digest import Digest
from ramalama.models.http.retry import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.events import EventHook
    from ramalama.models.download.job import Job
    from ramalama.models.download.partial import Partial
    from ramalama.models.download.plan import Plan


_TICK = 0.1  # seconds; a hook hears of progress no more often


class Transfer:
    """Does a job, once; *hook* is called in the thread that calls `run`."""

    def __init__(self, job: Job, hook: EventHook) -> None:
        self._job = job
        self._hook = hook
        self._workers = WorkerPool()
        most = job.limits.most_streams if job.mode.streams > 1 else 1
        self._concurrency = AdaptiveConcurrency(job.mode.streams, most)
        self._streams = 0
        self._digest: Digest | None = None
        self._reported = (0.0, -1)

    def run(self) -> Digest:
        """Fetch what is missing, and return the digest of all.

        However it ends, what came is on the disk and in the journal afterwards.

        Raises:
            StartOver: what came is of no use.
            ModelPullError: it cannot be had.
            StoreError: there is no room for it, or the disk fails.
        """
        try:
            self._workers.start(WorkerRole.HASHER, self._hash)
            self._workers.start(WorkerRole.SAVER, self._job.saver.run)
            self._add_stream()
            self._report()
            while self._digest is None or not self._trusted:
                self._listen()
                self._report()
                self._grow()
            self._report()
            return self._digest
        finally:
            self._end()

    @property
    def _trusted(self) -> bool:
        """Whether nothing that a stream has yet to say can change our mind about what came."""
        return self._job.blob.digest is not None or self._streams == 0

    def _hash(self) -> None:
        digest = hash_while_it_grows(self._job.plan, self._job.partial, self._job.blob.check)
        self._job.partial.trim(self._job.plan.written)  # what was hashed, and no byte beyond
        self._digest = digest

    def _add_stream(self) -> None:
        self._streams += 1
        self._workers.start(WorkerRole.STREAM, Stream(self._job, self._workers.tell).run)

    def _listen(self) -> None:
        match self._workers.next_message(_TICK):
            case WorkerEnded() as ended:
                self._note_end(ended)
            case DownloadRetrying() as event:
                self._hook(event)
            case ResponseAccepted() | None:
                pass

    def _note_end(self, ended: WorkerEnded) -> None:
        if ended.role is WorkerRole.STREAM:
            self._streams -= 1
        if isinstance(ended.error, TransientError):
            self._go_on_without(ended.error)
        elif ended.error is not None:
            with disk_errors(self._job.blob.name, self._job.partial.path.parent):
                raise ended.error

    def _go_on_without(self, failure: TransientError) -> None:
        self._concurrency.retire()
        if self._streams == 0 and not self._job.plan.complete:
            msg = f"{self._job.blob.name} cannot be fetched from {self._job.source.host}: {failure}"
            raise ModelPullError(msg) from failure

    def _report(self) -> None:
        plan = self._job.plan
        last, reported = self._reported
        now, done = time.monotonic(), plan.written
        if done != reported and (now - last >= _TICK or plan.complete):
            self._reported = now, done
            self._hook(DownloadProgress(file=self._job.blob.name, done=done, total=plan.size))

    def _grow(self) -> None:
        if not self._job.terms.parallel:
            return
        self._concurrency.observe(self._job.plan.written, time.monotonic())
        while self._streams < self._concurrency.streams and self._job.plan.has_work:
            self._add_stream()

    def _end(self) -> None:
        self._job.plan.stop()
        self._job.connections.end()
        if not self._workers.join():
            self._job.partial.lend()
        if self._digest is None:
            # A disk that fails now leaves the journal of a moment ago, which is still true; what
            # matters is the exception that brought us here.
            with suppress(OSError):
                self._job.saver.leave()


_BLOCK = 256 * 1024  # fits into a core's cache


def hash_while_it_grows(
    plan: Plan, partial: Partial, check: Callable[[bytes], None] | None = None
) -> Digest:
    """Read the file up to its first gap, as that moves on, and return the digest of all of it.

    What was just written is still in memory then. hashlib lets other threads run meanwhile.
    *check* is shown the first bytes; what it raises is passed on.

    Raises:
        Stopped: the transfer ended before the file was complete.
        OSError: it cannot be read.
    """
    sha256 = hashlib.sha256()
    buffer = memoryview(bytearray(_BLOCK))
    position = 0
    while position != plan.size or not plan.complete:
        end = plan.wait_for_prefix(position)
        while position < end:
            if plan.stopped:
                raise Stopped
            count = partial.read_into(buffer[: end - position], position)
            if check is not None and position == 0:
                check(bytes(buffer[:count]))
            sha256.update(buffer[:count])
            position += count
    return Digest(sha256.hexdigest())
