"""The command line: a thin layer over `ramalama.Ramalama`.

Every command imports this module, so it imports only what `version` needs.
"""

from __future__ import annotations

import gc
import os
import sys

from ramalama._version import __version__
from ramalama.cli.early_interrupt import leave_at_ctrl_c


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
