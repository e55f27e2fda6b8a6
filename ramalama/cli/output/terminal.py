"""What we say to the person at the terminal: everything but the answer goes to stderr."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama_values.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence


def print_error(text: str) -> None:
    """Write *text* to stderr; control characters in it (file names, logs) are shown, not obeyed."""
    with suppress(OSError):  # the terminal is gone: nobody is there to be told
        sys.stderr.write(printable(text, keep="\n") + "\n")
        sys.stderr.flush()


def quote_log(lines: Sequence[str]) -> None:
    """Show a server's last lines, marked as somebody else's words."""
    for line in lines:
        print_error(f"  | {line}")


class Status:
    """One line on a terminal's stderr that says what is going on, and vanishes."""

    def __init__(self, *, quiet: bool) -> None:
        self._enabled = not quiet and sys.stderr.isatty()
        self._shown = False

    def show(self, text: str) -> None:
        """Replace the line."""
        if self._enabled:
            sys.stderr.write(f"\r\x1b[K{printable(text)}")
            sys.stderr.flush()
            self._shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False
