"""How much at once, how often and how long: sizes in bytes, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from ramalama.models.http.retry import RetryPolicy

_MIB = 1024 * 1024
_PIECES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a download goes by; tests make it small.

    Attributes:
        most_streams: to which their number grows while more of them bring more.
        parallel_from: a smaller blob comes on one stream.
        shortest_piece, longest_piece: what a stream asks for at once.
        smallest_theft: a piece with twice as much left may lose half to a stream with no work.
        save_after: bytes after which the journal is written.
        unsaved: bytes that a crash of the machine can cost; streams wait when there are so many.
        save_every: after so many seconds the journal is written, too.
        silence: a server that says nothing for so long has gone.
        notice: bytes after which the threads that look at a file's growth are woken.
    """

    most_streams: int = 8
    parallel_from: int = 64 * _MIB
    shortest_piece: int = 16 * _MIB
    longest_piece: int = 64 * _MIB
    smallest_theft: int = 2 * _MIB
    save_after: int = 16 * _MIB
    unsaved: int = 40 * _MIB
    save_every: float = 5.0
    silence: float = 30.0
    notice: int = _MIB
    retry_policy: RetryPolicy = field(default_factory=lambda: RetryPolicy(tries=8, longest=300.0))

    def piece_length(self, size: int) -> int:
        """Return what one stream asks for at once of a blob of *size* bytes."""
        if size < self.parallel_from:
            return max(size, 1)
        return max(self.shortest_piece, min(size // _PIECES, self.longest_piece))


_STEP = 2
_WORTH_IT = 1.15  # times as fast
_PERIOD = 1.0  # seconds, between two looks


class AdaptiveConcurrency:
    """Watches how fast a file grows, and counts the *streams* that it should have."""

    def __init__(self, streams: int, most: int) -> None:
        self.streams = streams
        self._most = max(streams, most)
        self._speed_before = 0.0
        self._last: tuple[float, int] | None = None

    def observe(self, written: int, now: float) -> None:
        """Hear that there are *written* bytes at the time *now*, in seconds.

        Several streams have been at it from the first call on.
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
        """Hear that a stream has got nothing for long: the server does not want so many."""
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
