"""The limits of a download: sizes in bytes, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from ramalama.models.http.retry import RetryPolicy

_MIB = 1024 * 1024
_PIECES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a download; tests use small ones.

    Attributes:
        most_streams: the largest number of streams; it is approached while more streams are faster.
        parallel_from: a smaller blob is downloaded in one stream.
        shortest_piece, longest_piece: the size of what a stream requests at once.
        smallest_theft: a piece with at least twice as much left can lose half to an idle stream.
        save_after: the journal is written after so many bytes.
        unsaved: the most bytes that a crash of the machine can lose; streams wait at that number.
        save_every: the journal is also written after so many seconds.
        silence: a server that sends nothing for so many seconds counts as gone.
        notice: the threads that follow a file's growth are woken after so many bytes.
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
        """Return how much one stream requests at once of a blob of *size* bytes."""
        if size < self.parallel_from:
            return max(size, 1)
        return max(self.shortest_piece, min(size // _PIECES, self.longest_piece))


_STEP = 2
_WORTH_IT = 1.15  # times as fast
_PERIOD = 1.0  # seconds between two measurements


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
