"""Run one attempt to download a blob, with threads that download, hash and save."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.errors import ModelPullError
from ramalama.events import DownloadProgress, DownloadRetrying
from ramalama.models.download.job import ResponseAccepted, WorkerEnded, WorkerPool, WorkerRole
from ramalama.models.download.partial import disk_errors
from ramalama.models.download.plan import Stopped
from ramalama.models.download.stream import Stream
from ramalama.models.formats.model_files import Digest
from ramalama.models.http.failures import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.events import EventHook
    from ramalama.models.download.job import Job
    from ramalama.models.download.partial import Partial
    from ramalama.models.download.plan import Plan


_TICK = 0.1  # seconds; progress is not reported more often
_BLOCK = 256 * 1024  # bytes; fits into a core's cache

_STEP = 2  # streams that are added at once
_WORTH_IT = 1.15  # times as fast
_PERIOD = 1.0  # seconds between two measurements


class Transfer:
    """Runs a job once; *hook* is called in the thread that calls `run`."""

    def __init__(self, job: Job, hook: EventHook) -> None:
        self._job = job
        self._hook = hook
        self._workers = WorkerPool()
        most = job.limits.most_streams if job.mode.streams > 1 else 1
        self._concurrency = AdaptiveConcurrency(job.mode.streams, most)
        self._streams = 0
        self._digest: Digest | None = None
        self._reported = (0.0, -1)
        self._began = time.monotonic()
        self._there = job.plan.written

    def run(self) -> Digest:
        """Download the missing parts, and return the digest of the whole blob.

        In any case, the downloaded bytes are on the disk and in the journal afterwards.

        Raises:
            StartOver: the downloaded bytes cannot be used.
            ModelPullError: the download cannot succeed.
            StoreError: there is not enough space, or the disk fails.
        """
        try:
            self._workers.start(WorkerRole.HASHER, self._hash)
            self._workers.start(WorkerRole.SAVER, self._job.saver.run)
            self._add_stream()
            self._report()
            while self._digest is None or not self._trusted:
                self._listen()
                self._report()
                self._give_up_if_slow()
                self._grow()
            self._report()
            return self._digest
        finally:
            self._end()

    @property
    def _trusted(self) -> bool:
        """Whether no message of a running stream can invalidate the downloaded bytes any more."""
        return self._job.blob.digest is not None or self._streams == 0

    def _hash(self) -> None:
        digest = hash_while_it_grows(self._job.plan, self._job.partial, self._job.blob.check)
        self._job.partial.trim(self._job.plan.written)  # keep exactly the hashed bytes
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
            self._continue_with_fewer(ended.error)
        elif ended.error is not None:
            name, directory = self._job.blob.name, self._job.partial.path.parent
            kept = self._job.terms.resumable and self._job.plan.written > 0
            with disk_errors(name, directory, kept=kept):
                raise ended.error

    def _continue_with_fewer(self, failure: TransientError) -> None:
        self._concurrency.retire()
        if self._streams == 0 and not self._job.plan.complete:
            name, host = self._job.blob.name, self._job.source.host
            msg = f"{name} cannot be downloaded from {host}: {failure}"
            raise ModelPullError(msg) from failure

    def _report(self) -> None:
        plan = self._job.plan
        last, reported = self._reported
        now, done = time.monotonic(), plan.written
        if done != reported and (now - last >= _TICK or plan.complete):
            self._reported = now, done
            self._hook(DownloadProgress(file=self._job.blob.name, done=done, total=plan.size))

    def _give_up_if_slow(self) -> None:
        """End a transfer that would take for ever, although now and then a byte arrives.

        Raises:
            ModelPullError: it is slower than `Limits.slowest`.
        """
        plan, limits = self._job.plan, self._job.limits
        new = plan.written - self._there
        if (
            not plan.complete
            and time.monotonic() - self._began > limits.grace + new / limits.slowest
        ):
            name, host = self._job.blob.name, self._job.source.host
            msg = f"{name} cannot be downloaded from {host}: it sends almost nothing"
            raise ModelPullError(msg)

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
            # If the disk fails now, the last saved journal is still right; report the exception
            # that ended the transfer.
            with suppress(OSError):
                self._job.saver.leave()


def hash_while_it_grows(
    plan: Plan, partial: Partial, check: Callable[[bytes], None] | None = None
) -> Digest:
    """Read the file up to its first gap while it grows, and return the digest of the whole file.

    Bytes are read soon after they are written, while they are still in memory. hashlib lets other
    threads run meanwhile. *check* gets the first bytes; its exceptions are passed on.

    Raises:
        Stopped: the transfer ended before the file was complete.
        OSError: the file cannot be read.
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


class AdaptiveConcurrency:
    """Measures how fast a file grows, and chooses the number of *streams*."""

    def __init__(self, streams: int, most: int) -> None:
        self.streams = streams
        self._most = max(streams, most)
        self._speed_before = 0.0
        self._last: tuple[float, int] | None = None

    def observe(self, written: int, now: float) -> None:
        """Note that *written* bytes exist at the time *now*, in seconds.

        All current streams must have been running since the first call.
        """
        if self._last is None:
            self._last = now, written
            return
        began, before = self._last
        if now - began < _PERIOD:
            return
        self._last = now, written
        self._judge((written - before) / (now - began))

    def retire(self) -> None:
        """Note that a stream has received nothing for long: the server does not allow so many."""
        self.streams -= 1
        self._most = self.streams

    def _judge(self, speed: float) -> None:
        if self.streams >= self._most or not speed:
            return
        if speed > self._speed_before * _WORTH_IT:
            self.streams = min(self.streams + _STEP, self._most)
            self._speed_before = speed
        else:
            self._most = self.streams
