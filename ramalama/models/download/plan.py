"""Who fetches which part of a blob: the one thing that all threads of a transfer share."""

from __future__ import annotations

import threading
from bisect import insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.models.download.journal import Span, Spans, gaps, joined, prefix, total

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.models.download.limits import Limits


class Stopped(Exception):
    """The transfer is over; whoever is in the middle of something leaves it."""


@dataclass(slots=True, eq=False)
class Piece:
    """A part that one stream fetches, *position* being its next byte.

    *end* comes closer when another stream takes over the rest, and is None where only the end of
    the answer will tell.
    """

    start: int
    position: int
    end: int | None

    @property
    def left(self) -> int:
        """How many bytes are missing; 0 if nobody knows."""
        return 0 if self.end is None else self.end - self.position

    @property
    def finished(self) -> bool:
        """Whether all of it is in the file."""
        return self.position == self.end


class Plan:
    """What there is of a blob, what comes now, and what nobody fetches yet.

    Work is given out from the beginning of the file to its end, so that what was fetched can be
    read in order soon after. When nothing is left to give out, whoever asks takes half of what the
    busiest stream has before it.
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
        """Bytes of the whole blob, None as long as nobody knows."""
        return self._size

    @property
    def written(self) -> int:
        """How many bytes are in the file."""
        return self._written

    @property
    def complete(self) -> bool:
        """Whether all of it is."""
        return self._written == self._size

    @property
    def stopped(self) -> bool:
        """Whether the transfer is over."""
        return self._stopped

    @property
    def has_work(self) -> bool:
        """Whether there is something that nobody fetches."""
        return bool(self._waiting)

    @property
    def worth_sharing(self) -> bool:
        """Whether more streams would find work, in a file that is big enough for them."""
        return (self._size or 0) >= self._limits.parallel_from and self.has_work

    def spans(self) -> Spans:
        """Return what is in the file."""
        with self._changed:
            return self._spans()

    def take(self) -> Piece | None:
        """Take some work, None if there is none."""
        with self._changed:
            if self._stopped:
                raise Stopped
            piece = self._cut_off() if self._waiting else self._steal()
            if piece is not None:
                self._active.append(piece)
            return piece

    def put_back(self, piece: Piece) -> None:
        """Give up a piece, finished or not; what is missing of it waits again."""
        with self._changed:
            self._active.remove(piece)
            self._settled = joined((*self._settled, Span(piece.start, piece.position)))
            if not piece.finished:
                rest = Piece(piece.position, piece.position, piece.end)
                insort(self._waiting, rest, key=lambda waiting: waiting.start)
            self._changed.notify_all()

    def learn_size(self, piece: Piece, size: int) -> None:
        """Cut up the piece without an end, now that the size is known."""
        with self._changed:
            self._size = size
            piece.end = min(size, self._limits.piece_length(size))
            if piece.end < size:
                self._waiting.append(Piece(piece.end, piece.end, size))
            self._changed.notify_all()

    def extend(self, piece: Piece) -> bool:
        """Have one stream fetch all of the blob; False if some is there or on its way."""
        with self._changed:
            if self._written or self._active != [piece]:
                return False
            piece.end = self._size
            self._waiting.clear()
            return True

    def room(self, piece: Piece, count: int) -> int:
        """Return how many of the next *count* bytes are still this piece's.

        Raises:
            Stopped: none are.
        """
        with self._changed:
            if self._stopped:
                raise Stopped
            return count if piece.end is None else min(count, piece.left)

    def advance(self, piece: Piece, count: int) -> None:
        """Note that *count* more bytes of a piece are in the file."""
        with self._changed:
            before = piece.position
            after = before + count if piece.end is None else min(before + count, piece.end)
            piece.position = after
            self._written += after - before
            notice = self._limits.notice
            if before // notice != after // notice or piece.finished:
                self._changed.notify_all()

    def end_here(self, piece: Piece) -> None:
        """Note that a piece without an end is finished, and with it the blob."""
        with self._changed:
            piece.end = self._size = piece.position
            self._changed.notify_all()

    def wait_for_prefix(self, beyond: int) -> int:
        """Wait until there is more without a gap from the beginning than *beyond* bytes, or all.

        Raises:
            Stopped: there will not be more.
        """

        def enough() -> bool:
            return self.complete or prefix(self._spans()) >= beyond + self._limits.notice

        self.wait_until(enough)
        return prefix(self.spans())

    def wait_until(self, happened: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait for something that a change of the plan may bring; False after *timeout* seconds.

        Raises:
            Stopped: it did not happen before the end.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or happened(), timeout)
            if happened():
                return True
            if self._stopped:
                raise Stopped
            return False

    def notify(self) -> None:
        """Wake whoever waits for something beside the plan itself."""
        with self._changed:
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            Stopped: the transfer is over.
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
        length = self._limits.piece_length(self._size or 0)
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
