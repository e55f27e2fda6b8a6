"""The terminal at which an answer is read, and keys are typed."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TextIO

from ramalama_chat.output.echo import hidden_keys
from ramalama_chat.output.word_wrap import WordWrap

_USUAL_WIDTH = 80  # columns


@dataclass(frozen=True, slots=True)
class AnswerTerminal:
    """A terminal that can move its cursor: *keyboard* reads from it, *screen* writes to it."""

    keyboard: TextIO
    screen: TextIO

    @classmethod
    def of(
        cls, keyboard: TextIO, screen: TextIO, env: Mapping[str, str]
    ) -> "AnswerTerminal | None":
        """Return the terminal of *screen*; None if it is not one, or a dumb one."""
        if not screen.isatty() or env.get("TERM", "dumb") in ("", "dumb"):
            return None
        return cls(keyboard, screen)

    def hidden_keys(self) -> AbstractContextManager[None]:
        """Return the block in which keys are not shown; see `ramalama_chat.output.echo`."""
        return hidden_keys(self.keyboard)

    def wrap(self) -> WordWrap:
        """Return what wraps a text that begins at the left margin."""
        return WordWrap(self._columns)

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self.screen.fileno()).columns or _USUAL_WIDTH
        except OSError:  # it was closed
            return _USUAL_WIDTH
