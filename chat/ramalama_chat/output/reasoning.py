"""Show a model's reasoning, dim, before its answer."""

from collections.abc import Generator
from contextlib import closing
from typing import TextIO

from ramalama_chat.text import ControlFilter

_DIM, _RESET = "\x1b[2m", "\x1b[0m"


class ReasoningWriter:
    """Writes reasoning to *err* as it comes, and ends its last line before the answer begins."""

    def __init__(self, err: TextIO, *, color: bool) -> None:
        self._err = err
        self._color = color
        self._clean = ControlFilter()
        self._last = ""  # the last character; "" if nothing is shown

    def write(self, thought: str) -> None:
        """Write *thought*, without control sequences and without newlines at the beginning."""
        text = self._clean.feed(thought)
        if not self._last:
            text = text.lstrip("\n")
        if text:
            self._err.write((_DIM if self._color and not self._last else "") + text)
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
