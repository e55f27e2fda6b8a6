"""Recognize emphasis and code spans within a line."""

_MARKS = "*_`"
_BOLD_RUN, _BOTH_RUN = 2, 3


class Spans:
    """Follows a line by its characters; says which style the last one has.

    A run of marks takes effect with the character after it, which decides whether it opens: one
    before a space does not, as in "2 * 3".
    """

    def __init__(self) -> None:
        self.end()

    @property
    def code(self) -> bool:
        """Whether the last character lies in a code span."""
        return self._ticks > 0

    def end(self) -> None:
        """Close all spans at the end of a line."""
        self.bold = self.italic = False
        self._ticks = 0  # how many backticks opened the code span; 0 outside of one
        self._run, self._length = "", 0  # marks whose meaning the next character decides
        self._before = " "  # the character before them
        self._escaped = False

    def take(self, char: str) -> None:
        """Process the next character."""
        if self._run == char:
            self._length += 1
            return
        if self._run:
            self._resolve(char)
        if char in _MARKS and not self._escaped:
            self._run, self._length = char, 1
        else:
            self._before = char
            self._escaped = char == "\\" and not self._escaped and not self._ticks

    def _resolve(self, after: str) -> None:
        """Apply the run of marks, now that *after* is known to follow it."""
        mark, length = self._run, self._length
        if mark == "`":
            self._toggle_code(length)
        elif not self._ticks and length <= _BOTH_RUN:
            self._toggle_emphasis(mark, length, after)
        self._run, self._length = "", 0
        self._before, self._escaped = mark, False

    def _toggle_code(self, length: int) -> None:
        if self._ticks == 0:
            self._ticks = length
        elif self._ticks == length:
            self._ticks = 0

    def _toggle_emphasis(self, mark: str, length: int, after: str) -> None:
        if mark == "_" and self._before.isalnum() and after.isalnum():
            return  # snake_case
        opens, closes = not after.isspace(), not self._before.isspace()
        if length >= _BOLD_RUN:
            self.bold = opens and not (self.bold and closes)
        if length != _BOLD_RUN:
            self.italic = opens and not (self.italic and closes)
