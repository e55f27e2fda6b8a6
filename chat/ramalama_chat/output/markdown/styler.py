"""Style Markdown while it arrives, without holding back any character.

A program that waits for the end of a block shows nothing while code is written. So a mark (`**`, a
backtick, `#`) is printed like any other text, and changes the style of the text after it. Without
its escape sequences the output equals the input, character by character.

It covers the part of CommonMark that models write: headings, emphasis, code spans, fenced code.
Emphasis ends with its line at the latest, so that one stray mark does not affect the rest.
"""

from ramalama_chat.output.markdown.line_start import LineStart
from ramalama_chat.output.markdown.spans import Spans

RESET = "\x1b[0m"
_BOLD, _ITALIC, _CYAN = "1", "3", "36"


class Styler:
    """Puts SGR sequences (ECMA-48 8.3.117) between the characters of one answer.

    *base* is the style of plain text, as the parameters of an SGR sequence: "33" is yellow.
    """

    def __init__(self, base: str = "33") -> None:
        self._base = base
        self._line = LineStart()
        self._spans = Spans()
        self._shown: str | None = None  # the style set last; None before the first

    def feed(self, piece: str) -> str:
        """Return *piece* with its escape sequences."""
        return "".join([self._paint(char) for char in piece])

    def close(self) -> str:
        """Return the sequence that resets the style; nothing if there was none."""
        return "" if self._shown is None else RESET

    def _paint(self, char: str) -> str:
        self._line.take(char)
        if self._line.in_block or char == "\n":
            self._spans.end()
        else:
            self._spans.take(char)
        wanted = self._wanted()
        if wanted == self._shown:
            return char
        first, self._shown = self._shown is None, wanted
        return f"\x1b[{wanted}m{char}" if first else f"\x1b[0;{wanted}m{char}"

    def _wanted(self) -> str:
        if self._line.in_code or self._spans.code:
            return _CYAN
        bold = self._spans.bold or self._line.in_heading
        marks = (_BOLD if bold else "", _ITALIC if self._spans.italic else "")
        return ";".join(mark for mark in (self._base, *marks) if mark)
