"""The command line: a thin layer over `ramalama.Ramalama`.

Every command imports this module, so it imports only what `version` needs.
"""

from __future__ import annotations

import gc
import os
import sys

from ramalama._version import __version__


def main(words: list[str] | None = None) -> int:
    """Run the command *words* and return its exit code; None takes the arguments of the process."""
    alone = words is None  # no other code uses this process
    words = sys.argv[1:] if words is None else words
    if alone:
        # Imports make no garbage, but each collection would scan all imported modules again.
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
            gc.freeze()  # otherwise the interpreter scans all objects for garbage at exit
