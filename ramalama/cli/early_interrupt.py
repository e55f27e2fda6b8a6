"""Exit at once at Ctrl-C before a command has begun and after its end.

There is nothing to clean up at these times. Python imports modules then, and loses many of the
exceptions that a signal raises in an import (see `ramalama.cli.signals`). So the process exits
instead, with the usual exit code.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Generator

_INTERRUPTED = 130  # as in `exit_codes`, which would take time to import


def leave_at_ctrl_c() -> None:
    """Exit the process at Ctrl-C from now on, unless it inherited that SIGINT is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


@contextmanager
def ctrl_c_raises() -> Generator[None]:
    """Raise KeyboardInterrupt at Ctrl-C for the length of the block, instead of exiting."""
    leaves = signal.getsignal(signal.SIGINT) is _leave
    try:
        if leaves:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
    finally:
        if leaves:
            signal.signal(signal.SIGINT, _leave)


def _leave(_number: int, _frame: object) -> NoReturn:
    os._exit(_INTERRUPTED)
