"""Distribute the parts of a blob to the threads of a transfer; all threads share this plan."""

from __future__ import annotations

import threading
from bisect import insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.models.download.journal import Span, Spans, gaps, joined, prefix, total

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.models.download.limits import Limits

_PIECES = 32  # of a blob, unless they would be too short or too long


class Stopped(Exception):
    """The transfer has ended; a thread that gets this exception must stop its work."""


@dataclass(slots=True, eq=False)
class Piece:
    """A part that one stream downloads; *position* is its next byte.

    *end* decreases when another stream takes over the rest. It is None if the size is unknown until
    the response ends.
    """

    start: int
    position: int
    end: int | None

    @property
    def left(self) -> int:
        """How many bytes are missing; 0 if that is unknown."""
        return 0 if self.end is None else self.end - self.position

    @property
    def finished(self) -> bool:
        """Whether all bytes of the piece are in the file."""
        return self.position == self.end


class Plan:
    """The parts of a blob: those in the file, those being downloaded, and those that wait.

    Work is distributed from the beginning of the file to its end, so that the data can soon be read
    in order. When no part waits, a stream that asks for work takes half of the rest of the largest
    piece.
    """

    def __init__(self, limits: Limits, *, size: int | None = None, written: Spans = ()) -> None:
        self._limits = limits
        self._changed = threading.Condition()
        self._stopped = False
        self._active: list[Piece] = []
        self._settled = written
        self._written = total(written)
        self._size = size
        missing = ((0, None),) if size is None else gaps(written, size)
        self._waiting = [Piece(start, start, end) for start, end in missing]

    @property
    def size(self) -> int | None:
        """Bytes of the whole blob; None while that is unknown."""
        return self._size

    @property
    def written(self) -> int:
        """How many bytes are in the file."""
        return self._written

    @property
    def complete(self) -> bool:
        """Whether all bytes are in the file."""
        return self._written == self._size

    @property
    def stopped(self) -> bool:
        """Whether the transfer has ended."""
        return self._stopped

    @property
    def has_work(self) -> bool:
        """Whether there is a part that no stream downloads."""
        return bool(self._waiting)

    @property
    def worth_sharing(self) -> bool:
        """Whether more streams would find work, and the blob is large enough for them."""
        return (self._size or 0) >= self._limits.parallel_from and self.has_work

    def spans(self) -> Spans:
        """Return the spans that are in the file."""
        with self._changed:
            return self._spans()

    def take(self) -> Piece | None:
        """Take a piece to download; None if there is none."""
        with self._changed:
            if self._stopped:
                raise Stopped
            piece = self._cut_off() if self._waiting else self._steal()
            if piece is not None:
                self._active.append(piece)
            return piece

    def put_back(self, piece: Piece) -> None:
        """Return a piece, finished or not; the missing rest waits again."""
        with self._changed:
            self._active.remove(piece)
            self._settled = joined((*self._settled, Span(piece.start, piece.position)))
            if not piece.finished:
                rest = Piece(piece.position, piece.position, piece.end)
                insort(self._waiting, rest, key=lambda waiting: waiting.start)
            self._changed.notify_all()

    def learn_size(self, piece: Piece, size: int) -> None:
        """Divide the piece without an end, now that the size is known."""
        with self._changed:
            self._size = size
            piece.end = min(size, piece_length(self._limits, size))
            if piece.end < size:
                self._waiting.append(Piece(piece.end, piece.end, size))
            self._changed.notify_all()

    def extend(self, piece: Piece) -> bool:
        """Let one stream download the whole blob; return False if other parts exist already."""
        with self._changed:
            if self._written or self._active != [piece]:
                return False
            piece.end = self._size
            self._waiting.clear()
            return True

    def room(self, piece: Piece, count: int) -> int:
        """Return how many of the next *count* bytes still belong to this piece.

        Raises:
            Stopped: the transfer has ended.
        """
        with self._changed:
            if self._stopped:
                raise Stopped
            return count if piece.end is None else min(count, piece.left)

    def advance(self, piece: Piece, count: int) -> None:
        """Record that *count* more bytes of a piece are in the file."""
        with self._changed:
            before = piece.position
            after = before + count if piece.end is None else min(before + count, piece.end)
            piece.position = after
            self._written += after - before
            notice = self._limits.notice
            if before // notice != after // notice or piece.finished:
                self._changed.notify_all()

    def end_here(self, piece: Piece) -> None:
        """Record that a piece without an end is finished, and with it the blob."""
        with self._changed:
            piece.end = self._size = piece.position
            self._changed.notify_all()

    def wait_for_prefix(self, beyond: int) -> int:
        """Wait until the bytes from the beginning without a gap are well *beyond*, or complete.

        Raises:
            Stopped: the transfer has ended.
        """

        def enough() -> bool:
            return self.complete or prefix(self._spans()) >= beyond + self._limits.notice

        self.wait_until(enough)
        return prefix(self.spans())

    def wait_until(self, happened: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait for a condition that a change of the plan can meet; False after *timeout* seconds.

        Raises:
            Stopped: the transfer ended before.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or happened(), timeout)
            if happened():
                return True
            if self._stopped:
                raise Stopped
            return False

    def notify(self) -> None:
        """Wake all threads that wait for a condition outside the plan."""
        with self._changed:
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Wait for *seconds*.

        Raises:
            Stopped: the transfer has ended.
        """
        self.wait_until(lambda: False, seconds)

    def stop(self) -> None:
        """End the transfer."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _spans(self) -> Spans:
        coming = (Span(piece.start, piece.position) for piece in self._active)
        return joined((*self._settled, *coming))

    def _cut_off(self) -> Piece:
        first = self._waiting[0]
        length = piece_length(self._limits, self._size or 0)
        if first.end is None or first.left <= length:
            return self._waiting.pop(0)
        piece = Piece(first.start, first.start, first.start + length)
        first.start = first.position = first.start + length
        return piece

    def _steal(self) -> Piece | None:
        victim = max(self._active, key=lambda piece: piece.left, default=None)
        if victim is None or victim.end is None or victim.left < 2 * self._limits.smallest_theft:
            return None
        middle = victim.end - victim.left // 2
        stolen = Piece(middle, middle, victim.end)
        victim.end = middle
        return stolen


def piece_length(limits: Limits, size: int) -> int:
    """Return how much one stream requests at once of a blob of *size* bytes."""
    if size < limits.parallel_from:
        return max(size, 1)
    return max(limits.shortest_piece, min(size // _PIECES, limits.longest_piece))
