"""Print messages to the user on stderr; only answers go to stdout."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama_values.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_QUOTE = 500  # characters of a line


def print_error(text: str) -> None:
    """Print *text* to stderr, with the control characters in it (of file names, logs) escaped."""
    with suppress(OSError):  # the terminal was closed: the message has no reader
        sys.stderr.write(printable(text, keep="\n") + "\n")
        sys.stderr.flush()


def quote_log(lines: Sequence[str]) -> None:
    """Print the last lines of a server's log, marked as a quotation; long lines are cut off."""
    for line in lines:
        shown = printable(line[: _LONGEST_QUOTE + 1])
        print_error(f"  | {shown[:_LONGEST_QUOTE]}{'…' if len(shown) > _LONGEST_QUOTE else ''}")


class Status:
    """A temporary line on stderr that shows the current step; only on a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._enabled = not quiet and sys.stderr.isatty()
        self._shown = False

    def show(self, text: str) -> None:
        """Show *text* in place of the current line."""
        if self._enabled:
            sys.stderr.write(f"\r\x1b[K{printable(text)}")
            sys.stderr.flush()
            self._shown = True

    def clear(self) -> None:
        """Remove the line."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False
