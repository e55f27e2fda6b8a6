"""The command line: a thin coat over `ramalama.Ramalama`.

This module is what every command pays for, so it imports nothing that `version` does not need.
"""

from __future__ import annotations

import gc
import os
import sys

from ramalama._version import __version__


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code; *words* default to the process's arguments."""
    alone = words is None  # in this process
    words = sys.argv[1:] if words is None else words
    if alone:
        # Imports make no garbage: collecting meanwhile would walk the same modules again and again.
        gc.disable()
    if words in (["version"], ["--version"], ["-v"]):
        sys.stdout.write(f"ramalama version {__version__}\n")
        return 0
    if alone:
        if "_ARGCOMPLETE" in os.environ:
            from ramalama.cli.complete import answer  # noqa: PLC0415 (see above)

            answer()
        from ramalama.cli.early_interrupt import leave_at_ctrl_c  # noqa: PLC0415 (see above)

        leave_at_ctrl_c()
    from ramalama.cli.dispatch import dispatch  # noqa: PLC0415 (see above)

    try:
        return dispatch(words)
    finally:
        if alone:
            gc.freeze()  # else the interpreter, at its end, looks for garbage in all of it
