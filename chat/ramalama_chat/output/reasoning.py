"""Show a model's reasoning, dim, before its answer."""

from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING, TextIO

from ramalama_chat.text import ControlFilter

if TYPE_CHECKING:
    from ramalama_chat.output.terminal import AnswerTerminal
    from ramalama_chat.output.word_wrap import WordWrap

_DIM, _RESET = "\x1b[2m", "\x1b[0m"


class ReasoningWriter:
    """Writes reasoning to *err* as it comes, and ends its last line before the answer begins.

    Words are wrapped if *terminal* is that of *err*.
    """

    def __init__(
        self, err: TextIO, *, color: bool, terminal: "AnswerTerminal | None" = None
    ) -> None:
        self._err = err
        self._color = color
        self._terminal = terminal
        self._wrap: WordWrap | None = None
        self._clean = ControlFilter()
        self._last = ""  # the last character; "" if nothing is shown

    def write(self, thought: str) -> None:
        """Write *thought*, without control sequences and without newlines at the beginning."""
        text = self._clean.feed(thought)
        if not self._last:
            text = text.lstrip("\n")
        if not text:
            return
        if not self._last:
            self._err.write(_DIM if self._color else "")
            self._wrap = self._terminal.wrap() if self._terminal else None
        self._err.write(self._wrap.feed(text) if self._wrap else text)
        self._err.flush()
        self._last = text[-1]

    def end(self) -> None:
        """End the last line, and reset the style."""
        if self._last:
            newline = "" if self._last == "\n" else "\n"
            self._err.write((_RESET if self._color else "") + newline)
            self._err.flush()
            self._last = ""

    def before(self, pieces: Generator[str, None, None]) -> Generator[str, None, None]:
        """Yield the *pieces* of the answer; end the reasoning before the first of them."""
        with closing(pieces):
            try:
                for piece in pieces:
                    self.end()
                    yield piece
            finally:
                self.end()
