"""Ctrl-C before a command has begun, and after its end: there is nothing to clean up.

Modules are imported then, and many an exception that a signal raises in an import is lost (see
`ramalama.cli.signals`). So the process ends, with the code that it would have had.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Generator

_INTERRUPTED = 130  # as in `exit_codes`, which is an import of its own


def leave_at_ctrl_c() -> None:
    """End the process at Ctrl-C from now on; whoever has us ignore it is still obeyed."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


@contextmanager
def ctrl_c_raises() -> Generator[None]:
    """Raise KeyboardInterrupt for the length of a block instead."""
    hasty = signal.getsignal(signal.SIGINT) is _leave
    try:
        if hasty:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
    finally:
        if hasty:
            signal.signal(signal.SIGINT, _leave)


def _leave(_number: int, _frame: object) -> NoReturn:
    os._exit(_INTERRUPTED)
