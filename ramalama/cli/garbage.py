"""The garbage collector, which `ramalama.cli.main` stops: imports make no garbage."""

from __future__ import annotations

import gc


def collect_garbage() -> None:
    """Let garbage be collected from now on, by whoever has imported what takes long."""
    gc.freeze()  # what was imported is there to stay, and need not be looked at
    gc.enable()
