"""Signals as exceptions, and none of them during the clean-up."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ramalama_chat.errors import KeepAliveExpired

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

_TERMINATING = (signal.SIGTERM, signal.SIGHUP)
_SIGNAL_BASE = 128


class Terminated(SystemExit):
    """SIGTERM or SIGHUP: leave, clean up on the way, and exit with 128 + n."""


class Signals:
    """Raises in the main thread once; then it is deaf, so that the clean-up runs to its end.

    Whoever catches KeyboardInterrupt and goes on (a stopped answer) calls `listen_again`.
    """

    def __init__(self) -> None:
        self._deaf = False

    def listen_again(self) -> None:
        """Be ready for the next Ctrl-C."""
        self._deaf = False

    def start_keepalive(self, seconds: float | None) -> None:
        """Raise KeepAliveExpired after *seconds*; None sets no limit."""
        if seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, seconds)

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Turn a signal into its exception; for `signal.signal`."""
        if self._deaf:
            return
        self._deaf = True
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        if number == signal.SIGALRM:
            msg = "the time given by --keepalive is over"
            raise KeepAliveExpired(msg)
        raise Terminated(_SIGNAL_BASE + number)


@contextmanager
def handled_signals() -> Generator[Signals]:
    """Handle SIGINT, SIGTERM, SIGHUP and the keep-alive's alarm for the length of a block.

    What our caller has us ignore (`nohup`, a shell's ``&``) stays ignored.
    """
    signals = Signals()
    numbers = [
        number
        for number in (signal.SIGINT, *_TERMINATING)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {
        number: signal.signal(number, signals.handle) for number in (*numbers, signal.SIGALRM)
    }
    try:
        yield signals
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
