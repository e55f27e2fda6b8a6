"""How many streams there should be: more, as long as more of them bring more."""

from __future__ import annotations

_STEP = 2
_WORTH_IT = 1.15  # times as fast
_PERIOD = 1.0  # seconds, between two looks


class Growth:
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
