"""Exit at once at Ctrl-C before a command has begun and after its end.

There is nothing to clean up at these times. Python imports modules then, and loses many of the
exceptions that a signal raises in an import (see `ramalama.cli.signals`). So the process exits
instead, with the usual exit code.

`main` calls this module first, so that little more than the start of the interpreter is before it;
hence it imports nothing that takes time.
"""

from __future__ import annotations

import os

# Type checkers know this name. It is not imported from `typing`, whose import is slow.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import SIGINT, default_int_handler, getsignal, signal
    from typing import NoReturn
else:
    from _signal import SIGINT, default_int_handler, getsignal, signal  # without enum: 2 ms

_INTERRUPTED = 130  # as in `exit_codes`, which would take time to import


def leave_at_ctrl_c() -> None:
    """Exit the process at Ctrl-C from now on, unless it inherited that SIGINT is ignored."""
    if getsignal(SIGINT) is default_int_handler:
        signal(SIGINT, _leave)


class CtrlCRaises:
    """Raises KeyboardInterrupt at Ctrl-C for the length of the block, instead of exiting."""

    def __init__(self) -> None:
        self._leaves = getsignal(SIGINT) is _leave

    def __enter__(self) -> None:
        if self._leaves:
            signal(SIGINT, default_int_handler)

    def __exit__(self, *exc: object) -> None:
        if self._leaves:
            signal(SIGINT, _leave)


def _leave(_number: int, _frame: object) -> NoReturn:
    os._exit(_INTERRUPTED)
