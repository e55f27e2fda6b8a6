"""The command line, a thin layer over `ramalama.Ramalama`: how its process starts and ends.

Every command imports this module, so it imports only what `version` needs.

**Ctrl-C before a command has begun and after its end** exits at once. There is nothing to clean up
at these times. Python imports modules then, and loses many of the exceptions that a signal raises
in an import (see `ramalama.cli.signals`). So the process exits instead, with the usual exit code.
"""

from __future__ import annotations

import gc
import os
import sys

from ramalama._version import __version__

# Type checkers know this name. It is not imported from `typing`, whose import is slow.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import SIGINT, default_int_handler, getsignal, signal
    from typing import NoReturn
else:
    from _signal import SIGINT, default_int_handler, getsignal, signal  # without enum: 2 ms

_INTERRUPTED = 130  # as in `exit_codes`, which would take time to import


def main(words: list[str] | None = None) -> int:
    """Run the command *words* and return its exit code; None takes the arguments of the process."""
    alone = words is None  # no other code uses this process
    words = sys.argv[1:] if words is None else words
    if alone:
        # Imports make no garbage, but each collection would scan all imported modules again.
        gc.disable()
        leave_at_ctrl_c()
    if words in (["version"], ["--version"], ["-v"]):
        return print_answer(f"ramalama version {__version__}\n")
    if alone and "_ARGCOMPLETE" in os.environ:
        from ramalama.cli.complete import answer  # noqa: PLC0415 (see above)

        answer()
    from ramalama.cli.dispatch import dispatch  # noqa: PLC0415 (see above)

    try:
        return dispatch(words)
    finally:
        if alone:
            gc.freeze()  # otherwise the interpreter scans all objects for garbage at exit


def print_answer(text: str) -> int:
    """Print *text*, the whole answer of a command, and return the exit code."""
    try:
        if sys.stdout is not None:  # the parent process has closed it
            sys.stdout.write(text)
            sys.stdout.flush()
    except OSError as exc:
        from ramalama.cli.error_boundary import report_os_error  # noqa: PLC0415 (see above)

        exc.filename = "standard output"
        return report_os_error(exc)
    return 0


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
