r"""Show text that a stranger wrote: file names, logs, the words of a server or an engine.

A terminal acts on control characters: they set its title, the clipboard or the cursor. Format
characters reorder what is shown (CVE-2021-42574, "Trojan Source") or hide whole sentences (tags).
There is one rule for all of them: nothing is removed and nothing is replaced. Every character that
is not plainly visible is shown as Python's escape for it: ``\x1b``, ``\u202e``, ``\U000e0041``.

The escapes are for reading, not for parsing: a backslash in the text stays as it is.
"""

from __future__ import annotations

LONGEST_LINE = 1000  # characters

# White space of a sentence, which a line shows as one space. Every other separator is escaped:
# U+0085, U+2028 and U+2029 end a line in some programs, U+001C to U+001F in Python.
_SPACES = dict.fromkeys(map(ord, "\t\n\r\u00a0\u202f\u3000"), " ")
# `str.isprintable` is false for the categories "Other" and "Separator" but the space. These are
# letters and marks for it, although nothing is seen of them (Default_Ignorable_Code_Point).
# Not U+FE00 to U+FE0F: emoji are written with them.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
_SELECTORS = range(0xE0100, 0xE01F0)  # variation selectors 17 to 256


def printable(text: str, *, keep: str = "") -> str:
    """Return *text* with everything escaped that is not plainly visible.

    The characters in *keep* stay, such as a newline where several lines may be shown.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join([char if char in keep else _shown(char) for char in text])


def one_line(text: str | bytes, *, longest: int = LONGEST_LINE) -> str:
    """Return *text* as one line of at most *longest* characters, then "…" if that is not all.

    White space becomes single spaces; bytes are read as UTF-8.
    """
    # So that megabytes cost no more than what is shown. 4: white space may be removed.
    start = text[: 4 * longest + 1]
    cut = len(start) < len(text)
    words = (start if isinstance(start, str) else start.decode(errors="replace")).translate(_SPACES)
    line = ""
    for char in " ".join(filter(None, words.split(" "))):
        shown = _shown(char)
        if len(line) + len(shown) > longest:
            return f"{line}…"
        line += shown
    return f"{line}…" if cut else line


def _shown(char: str) -> str:
    visible = char.isprintable() and char not in _INVISIBLE and ord(char) not in _SELECTORS
    return char if visible else char.encode("unicode_escape").decode()
