"""Wrap words at a terminal's right margin, without holding back any character.

Each character is written at once, as without wrapping. If a word turns out not to fit, its
beginning is erased and written again on the next line. Code is not wrapped: a user may copy it.
"""

import unicodedata
from collections.abc import Callable

from ramalama_chat.output.markdown.line_start import LineStart
from ramalama_chat.output.markdown.styler import RESET

_ESC = "\x1b"
_TAB = 8  # columns
_WIDE = frozenset("WF")  # Unicode Standard Annex 11: wide, fullwidth
_WITHOUT_WIDTH = frozenset({"Mn", "Me", "Cf"})  # categories: marks, format characters


class WordWrap:
    """Wraps one text that begins at the left margin; *columns* returns the terminal's width.

    The text may have the sequences that set a style (SGR), and no others.
    """

    def __init__(self, columns: Callable[[], int]) -> None:
        self._columns = columns
        self._width = columns()
        self._line = LineStart()
        self._column = 0  # the cursor's; the width of the terminal if the line is full
        self._style = ""  # the sequence that set the present style
        self._in_style = False  # the sequence is not complete
        self._begin_word()

    def feed(self, text: str) -> str:
        """Return *text* with line breaks between words."""
        return "".join([self._place(char) for char in text])

    def _place(self, char: str) -> str:
        if self._in_style or char == _ESC:
            self._style = char if char == _ESC else self._style + char
            self._in_style = char != "m"
            self._word += char
            return char
        self._line.take(char)
        if char == "\n":
            self._begin_line()
            return char
        if char in " \t":
            return self._place_space(char)
        return self._place_visible(char)

    def _place_space(self, char: str) -> str:
        full = self._column >= self._width
        if full and not self._line.in_code:
            self._begin_line()
            return "\n"
        self._column = (self._column // _TAB + 1) * _TAB if char == "\t" else self._column + 1
        self._begin_word()
        return char

    def _place_visible(self, char: str) -> str:
        cells, before = _cells(char), ""
        if self._column + cells > self._width:
            before = self._wrap(cells)
        self._column += cells
        self._word += char
        self._cells += cells
        if cells > 1:  # scripts with wide characters break anywhere
            self._begin_word()
        return f"{before}{char}"

    def _wrap(self, cells: int) -> str:
        """Begin a new line for a character of *cells* columns; return what moves its word there."""
        word, taken = self._word, self._cells
        fits = taken < self._column and taken + cells <= self._width and not self._line.in_code
        if not fits:  # the terminal itself breaks the word
            self._column = 0
            self._begin_word()
            return ""
        # On a full line the cursor is still on its last character.
        back = taken - (self._column >= self._width)
        self._column = taken
        self._width = self._columns()
        return (f"{_ESC}[{back}D" if back > 0 else "") + f"{_ESC}[K\n{word}" if taken else "\n"

    def _begin_line(self) -> None:
        self._width = self._columns()
        self._column = 0
        self._begin_word()

    def _begin_word(self) -> None:
        """Allow a break here."""
        # What is written from here on, and before it the present style.
        self._word = f"{RESET}{self._style}" if self._style else ""
        self._cells = 0  # the columns that it takes


def _cells(char: str) -> int:
    """Return how many columns *char* takes."""
    if char.isascii():
        return 1
    if unicodedata.category(char) in _WITHOUT_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(char) in _WIDE else 1
