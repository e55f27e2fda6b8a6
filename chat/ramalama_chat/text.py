r"""Make a model's text safe for a terminal.

A control sequence can set a terminal's title, the clipboard, the cursor and, on some terminals,
keyboard input. A bidirectional override shows other words than the text has (CVE-2021-42574,
"Trojan Source"). A model may output both: its training data or its prompt may contain them.

`ramalama_values.text.printable` escapes such characters, and removes nothing. It is for logs and
names, where the reader wants to see each character. This module removes control sequences, because
an answer is read as text:

* Joiners and direction marks stay, because emoji and Hebrew need them.
* If a model colours its words, the answer is easier to read without colours than with ``\x1b[31m``.
* A sequence is removed as a whole. `printable` cannot do that: it looks at one character at a time.

The grammar is that of ECMA-48. `ESC [` or U+009B opens a CSI sequence: parameter (0-?) and
intermediate (space-/) characters, up to a final one (@-~). OSC, DCS, SOS, PM and APC open strings,
which end at ST or, in xterm, at BEL.
"""

import re
from enum import Enum, auto

# These format characters (category Cf) are kept, because scripts and emoji need them:
# U+200B-200F (spaces, joiners and direction marks), U+061C, U+00AD and U+2060-2064.
_UNPRINTABLE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 except tab and newline; DEL; C1
    "\u2028\u2029"  # separators that some programs treat as a newline
    "\u202a-\u202e\u2066-\u2069"  # bidirectional embeddings, overrides, isolates
    "\u206a-\u206f\ufff9-\ufffb"  # deprecated shaping; annotations, shown apart from their text
    "\ufeff"  # a byte order mark, which has a meaning only in a file
    "\ud800-\udfff"  # halves of surrogate pairs, which no encoding can write
    "\U000e0000-\U000e007f"  # tags: invisible sentences, which a user may paste unseen
    "]"
)

_ESC = "\x1b"
_CSI = "\x9b"
_STRINGS = frozenset("\x90\x98\x9d\x9e\x9f")  # DCS SOS OSC PM APC
_ENDS_STRING = frozenset("\x07\x9c\x18\x1a\n")  # BEL ST CAN SUB, and a newline

# Real sequences are shorter. After so many characters the rest is text again: a sequence without
# an end must not hide the rest of the answer.
_LONGEST_SEQUENCE = 64
_LONGEST_STRING = 4096


class _State(Enum):
    TEXT = auto()
    ESCAPE = auto()  # after ESC, and its intermediates
    CSI = auto()
    STRING = auto()


class ControlFilter:
    """A filter that removes control sequences from a text that arrives in pieces.

    The end of a piece may be inside a sequence: the result is the same as for the whole text at
    once. Printable text is returned at once, never later.
    """

    def __init__(self) -> None:
        self._state = _State.TEXT
        self._left = 0  # characters that the sequence may still have

    def feed(self, piece: str) -> str:
        """Return the part of *piece* that is safe to print: text, newlines and tabs."""
        if self._state is _State.TEXT and _UNPRINTABLE.search(piece) is None:
            return piece
        return "".join([char for char in piece if self._shows(char)])

    def _shows(self, char: str) -> bool:
        """Process one character; return whether it is text."""
        if self._state is not _State.TEXT:
            self._left -= 1
            if self._left < 0:
                self._state = _State.TEXT
        if self._opens(char) or self._continues(char):
            return False
        return _UNPRINTABLE.match(char) is None

    def _opens(self, char: str) -> bool:
        """Enter a sequence if *char* opens one, even in the middle of another."""
        after_escape = self._state is _State.ESCAPE
        if char == _ESC:
            self._enter(_State.ESCAPE, _LONGEST_SEQUENCE)
        elif char == _CSI or (after_escape and char == "["):
            self._enter(_State.CSI, _LONGEST_SEQUENCE)
        elif char in _STRINGS or (after_escape and char in "PX]^_"):
            self._enter(_State.STRING, _LONGEST_STRING)
        else:
            return False
        return True

    def _enter(self, state: _State, longest: int) -> None:
        self._state, self._left = state, longest

    def _continues(self, char: str) -> bool:
        """Return whether *char* belongs to the current sequence; end that at its last character."""
        match self._state:
            case _State.TEXT:
                return False
            case _State.STRING:
                if char in _ENDS_STRING:
                    self._state = _State.TEXT
                    return char != "\n"
                return True
            case _State.ESCAPE | _State.CSI as state:
                if " " <= char <= ("/" if state is _State.ESCAPE else "?"):
                    return True
                self._state = _State.TEXT
                return ("0" if state is _State.ESCAPE else "@") <= char <= "~"
