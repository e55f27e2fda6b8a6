"""Plain text and source code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ramalama.rag.documents.formats.headings import Outline
from ramalama.rag.documents.limits import Unreadable

if TYPE_CHECKING:
    from ramalama.rag.documents.limits import Budget
    from ramalama.rag.values import Section

BINARY = "is a binary file"

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_START = 8192  # bytes that tell whether a file is text
_MOST_STRANGE = 0.01
# "NAME", "SEE ALSO": the headings of a manual page that was formatted.
_HEADING = re.compile(r"[A-Z][A-Z0-9 ,/&()'-]{1,59}")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]")
# Those that no text has; others are of terminals and printers.
_STRANGE = re.compile("[\x00-\x07\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
_OVERSTRUCK = re.compile(".\x08")  # bold and underlined letters of a printer


def decode(data: bytes) -> str:
    """Return the text of *data*: UTF-8, UTF-16 with a byte order mark, else Latin-1.

    Raises:
        Unreadable: it is not text.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    if b"\0" in data[:_START]:
        raise Unreadable(BINARY)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if _is_binary(text):
        raise Unreadable(BINARY)
    return text


def _is_binary(text: str) -> bool:
    start = text[:_START]
    return len(_STRANGE.findall(start)) > len(start) * _MOST_STRANGE


def clean(text: str) -> str:
    """Return *text* with plain line ends, and without control characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")
    if "\x08" in text:
        text = _OVERSTRUCK.sub("", text)
    return _CONTROLS.sub("", text) if _CONTROLS.search(text) else text


def read_plain(text: str, budget: Budget) -> tuple[Section, ...]:
    """Return the sections of plain text; a line of capitals above indented text is a heading."""
    budget.spend(len(text))
    outline = Outline()
    lines = clean(text).split("\n")
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if following.startswith((" ", "\t")) and _HEADING.fullmatch(line):
            outline.begin(1, line)
        else:
            outline.add(line)
    outline.end()
    return tuple(outline.sections)
