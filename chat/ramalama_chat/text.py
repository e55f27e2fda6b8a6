r"""Text from a model, made safe for a terminal.

A terminal obeys what it is sent: a title, the clipboard, the cursor and, on some, keyboard input
can be set by a control sequence, and a bidirectional override shows other words than are there
(CVE-2021-42574, "Trojan Source"). A model repeats what it was trained on or told to.

An answer has a rule of its own, beside `ramalama_values.text.printable`, which escapes and removes
nothing. A log or a name is shown so that one sees what is in it. An answer is read: its joiners and
direction marks make the emoji and the Hebrew that it is written in, and a model that colours its
words is better shown without colours than with ``\x1b[31m`` in its text. Sequences go whole here,
for which `printable`, a character at a time, has no state.

The grammar is ECMA-48's: `ESC [` or U+009B opens a CSI sequence, of parameter (0-?) and
intermediate (space-/) characters up to a final one (@-~); OSC, DCS, SOS, PM and APC open strings,
up to ST or, as xterm has it, BEL.
"""

import re
from enum import Enum, auto

# Kept among the format characters (category Cf): what scripts and emoji are written with,
# U+200B-200F (spaces, joiners and direction marks), U+061C, U+00AD and U+2060-2064.
_UNPRINTABLE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline; DEL; C1
    "\u2028\u2029"  # separators that some programs take for a newline
    "\u202a-\u202e\u2066-\u2069"  # bidirectional embeddings, overrides, isolates
    "\u206a-\u206f\ufff9-\ufffb"  # deprecated shaping; annotations, shown apart from their text
    "\ufeff"  # a byte order mark, which belongs to a file
    "\ud800-\udfff"  # halves of a pair, which no encoding can write
    "\U000e0000-\U000e007f"  # tags: invisible sentences, which a user may paste unseen
    "]"
)

_ESC = "\x1b"
_CSI = "\x9b"
_STRINGS = frozenset("\x90\x98\x9d\x9e\x9f")  # DCS SOS OSC PM APC
_ENDS_STRING = frozenset("\x07\x9c\x18\x1a\n")  # BEL ST CAN SUB, and a new line of text

# No honest sequence is longer. What follows is text again, so that a sequence without an end cannot
# hide the rest of an answer.
_LONGEST_SEQUENCE = 64
_LONGEST_STRING = 4096


class _State(Enum):
    TEXT = auto()
    ESCAPE = auto()  # after ESC, and its intermediates
    CSI = auto()
    STRING = auto()


class ControlFilter:
    """Removes control sequences from a text that comes in pieces.

    A sequence may be cut anywhere; the result is that of the whole text at once. No printable
    text is ever held back.
    """

    def __init__(self) -> None:
        self._state = _State.TEXT
        self._left = 0  # characters that the sequence may still have

    def feed(self, piece: str) -> str:
        """Return what may be printed of *piece*: text, newlines and tabs."""
        if self._state is _State.TEXT and _UNPRINTABLE.search(piece) is None:
            return piece
        return "".join([char for char in piece if self._shows(char)])

    def _shows(self, char: str) -> bool:
        """Take in one character; tell whether it is text."""
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
        """Tell whether *char* belongs to the sequence we are in; leave it if it is the last."""
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
