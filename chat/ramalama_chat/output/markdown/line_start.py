"""Recognize headings and code blocks by the beginning of a line."""

_DEEPEST_HEADING = 6
_SHORTEST_FENCE = 3
_WIDEST_INDENT = 3


class LineStart:
    """Follows a text by its characters; says whether the last one lies in code or in a heading.

    A code block begins with its fence, which is thus shown as code, and ends with the line of the
    closing fence (CommonMark 4.5).
    """

    def __init__(self) -> None:
        self.in_code = False
        self.in_heading = False
        self._fence: tuple[str, int] = ("", 0)  # the character and length of the fence that is open
        self._blank = True  # nothing has come after the run that begins the line
        self._begin_line()

    @property
    def in_block(self) -> bool:
        """Whether the first line of a code block is complete; until then, it may be a code span."""
        return self.in_code and self._fence[1] > 0

    def take(self, char: str) -> None:
        """Process the next character."""
        if char == "\n":
            self._end_line()
        elif self._at_start:
            self._take_mark(char)
        elif self.in_code and char == "`" and self._fence == ("`", 0):
            self.in_code = False  # a code span that stands at the beginning of its line
        elif self._blank and not char.isspace():
            self._blank = False

    def _begin_line(self) -> None:
        self._at_start = True
        self._indent = 0
        self._mark = ""  # the character of the run that begins the line
        self._length = 0  # of that run
        self._blank = True

    def _take_mark(self, char: str) -> None:
        if not self._mark and char == " " and self._indent < _WIDEST_INDENT:
            self._indent += 1
        elif (not self._mark and char in "#`~") or char == self._mark:
            self._mark, self._length = char, self._length + 1
            self._open_fence()
        else:
            self._at_start = False
            self._blank = char.isspace()
            of_heading = self._mark == "#" and self._length <= _DEEPEST_HEADING and char == " "
            self.in_heading = of_heading and not self.in_code

    def _open_fence(self) -> None:
        if not self.in_code and self._mark != "#" and self._length == _SHORTEST_FENCE:
            self.in_code = True
            self._fence = (self._mark, 0)  # its length is known when the line goes on

    def _end_line(self) -> None:
        mark, length = self._fence
        if self.in_code and self._mark == mark:
            if length == 0:
                self._fence = (mark, self._length)
            elif self._length >= length and self._blank:
                self.in_code = False
        self.in_heading = False
        self._begin_line()
