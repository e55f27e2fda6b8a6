r"""Show untrusted text safely: file names, logs, messages of a server or an engine.

Control characters can set a terminal's title, the clipboard or the cursor. Format characters can
change the order of the shown text (CVE-2021-42574, "Trojan Source") or hide sentences (tags). Each
character that is not clearly visible is shown as Python's escape for it: ``\x1b``, ``\u202e``,
``\U000e0041``. No character is removed.

The escapes are for people to read, not for programs to parse: a backslash in the text stays a
single backslash. `encodable` is for what is sent, not shown.
"""

from __future__ import annotations

LONGEST_LINE = 1000  # characters

# White space that `one_line` shows as a space. Every other separator is escaped: U+0085, U+2028 and
# U+2029 end a line in some programs, and U+001C to U+001F do in Python.
_SPACES = dict.fromkeys(map(ord, "\t\n\r\u00a0\u202f\u3000"), " ")
# `str.isprintable` is False for the categories "Other" and "Separator", except the space. It is
# True for these letters, marks and the empty Braille pattern, although they are invisible
# (Default_Ignorable_Code_Point, and U+2800).
# U+FE00 to U+FE0F are not in the set, because emoji need them.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_SELECTORS = range(0xE0100, 0xE01F0)  # variation selectors 17 to 256


def printable(text: str, *, keep: str = "") -> str:
    """Return *text* with an escape for each character that is not clearly visible.

    Characters in *keep* are not escaped: a newline, for example, if several lines may be shown.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join([char if char in keep else _shown(char) for char in text])


def one_line(text: str | bytes, *, longest: int = LONGEST_LINE) -> str:
    """Return *text* as one line of at most *longest* characters; add "…" if it is cut.

    Each run of white space becomes one space; bytes are decoded as UTF-8.
    """
    # A long text costs no more than its shown part. 4 times, because white space may be removed.
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


def encodable(text: str) -> str:
    """Join surrogate pairs and replace lone halves, which JSON over UTF-8 cannot carry."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
