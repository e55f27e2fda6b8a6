"""Let SIGTERM end a program that uses the library as `sys.exit` does."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

_SIGNAL_BASE = 128  # plus its number: what shells report for a process that a signal has ended


def exit_on_sigterm() -> None:
    """Let SIGTERM raise SystemExit in the main thread, so that the program removes its servers.

    By default, SIGTERM ends a Python program at once: no `finally` and no `with` block is left, and
    its servers run on until the next command of this user removes them. After this call, blocks are
    left as after Ctrl-C, and servers that are still open are closed when the interpreter exits. The
    exit code is 143; systemd takes it for a success with ``SuccessExitStatus=143``. Further SIGTERM
    are ignored meanwhile. Python exits only when all threads but daemons have ended.

    Does nothing in a program that handles or ignores SIGTERM already, as servers such as gunicorn
    and uvicorn do: they end in their own way.

    Raises:
        ValueError: this is not the main thread.
    """
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(_SIGNAL_BASE + number)
