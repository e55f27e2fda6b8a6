"""Markdown (CommonMark's headings and fences), and reStructuredText's underlined headings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ramalama.rag.documents.formats.headings import Outline, take_title
from ramalama.rag.documents.formats.plain import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.rag.documents.limits import Budget
    from ramalama.rag.values import Section

    # Is told a line and the next one; returns a level and a heading, or None.
    FindHeading = Callable[[str, str], tuple[int, str] | None]

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?")
_CLOSING = re.compile(r"[ \t]#+[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*")
_RST = re.compile(r"([-=~^\"'`#*+:._])\1{2,}[ \t]*")
_FRONT_MATTER = re.compile(r"---[ \t]*\n(.{0,20000}?)\n(?:---|\.\.\.)[ \t]*\n", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*(\S.*)", re.MULTILINE)
_LINK = re.compile(r"!?\[([^][]{0,500})\]\([^()]{0,2000}\)")
_LONGEST_LINE = 2000  # characters of a heading, with its markup


def read_markdown(text: str, budget: Budget) -> tuple[str, tuple[Section, ...]]:
    """Return the title of a document, or "", and its sections."""
    budget.spend(len(text))
    text, title = clean(text), ""
    if front := _FRONT_MATTER.match(text):
        found = _TITLE.search(front[1])
        title, text = _plain(found[1].strip("\"' ")) if found else "", text[front.end() :]
    elif text.startswith("% "):  # pandoc's title block, with which manual pages begin
        line, _, text = text.partition("\n")
        title = _plain(line[2:])
    return take_title(title, _sections(text, _markdown_heading))


def read_rst(text: str, budget: Budget) -> tuple[str, tuple[Section, ...]]:
    """Return the title of a document, or "", and its sections."""
    budget.spend(len(text))
    styles: list[str] = []  # of underlines; a document uses them in the order of its levels

    def find(line: str, following: str) -> tuple[int, str] | None:
        under = _RST.fullmatch(following)
        if under is None or not line.strip() or line[:1].isspace() or _RST.fullmatch(line):
            return None
        if under[1] not in styles:
            styles.append(under[1])
        return styles.index(under[1]) + 1, line

    return take_title("", _sections(clean(text), find))


def _sections(text: str, find: FindHeading) -> list[Section]:
    outline, fence, skip = Outline(), "", False
    lines = text.split("\n")
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if skip:
            skip = False
            continue
        mark = _FENCE.match(line)
        if fence:
            ends = mark is not None and mark[1].startswith(fence) and not line.strip(" `~")
            fence = "" if ends else fence
        elif mark:
            fence = mark[1]
        elif len(line) <= _LONGEST_LINE and (found := find(line, following)):
            level, heading = found
            outline.begin(level, heading)
            skip = not line.lstrip().startswith("#")  # the line below is the underline
            continue
        outline.add(line)
    outline.end()
    return outline.sections


def _markdown_heading(line: str, following: str) -> tuple[int, str] | None:
    if atx := _ATX.fullmatch(line):
        return len(atx[1]), _plain(_CLOSING.sub("", atx[2] or ""))
    under = _SETEXT.fullmatch(following)
    begins_a_block = line[:4].strip()[:1] in tuple("-*+>|#") or not line[:4].strip()
    if under and line.strip() and not begins_a_block:
        return (1 if under[1][0] == "=" else 2), _plain(line)
    return None


def _plain(heading: str) -> str:
    """Return a heading without links and emphasis."""
    return _LINK.sub(r"\1", heading).replace("**", "").replace("`", "").strip()
