"""The headings above a section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.rag.documents.limits import LONGEST_HEADING, MOST_SECTIONS
from ramalama.rag.values import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEEPEST = 9


class Outline:
    """Collects text under headings, and makes sections of it."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self._path: list[tuple[int, str]] = []
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Add a line, or several, to the current section."""
        self._lines.append(line)

    def begin(self, level: int, heading: str) -> None:
        """Begin a section below a heading; level 1 is the outermost one."""
        heading = " ".join(heading.split())[:LONGEST_HEADING]
        if len(self.sections) >= MOST_SECTIONS or not heading:
            self.add(heading)
            return
        self.end()
        self._path = [each for each in self._path if each[0] < level][:_DEEPEST]
        self._path.append((level, heading))

    def end(self) -> None:
        """End the current section."""
        text = "\n".join(self._lines)
        if text.strip():
            headings = tuple(heading for _, heading in self._path)
            self.sections.append(Section(text=text.strip("\n"), headings=headings))
        self._lines = []


def take_title(title: str, sections: Sequence[Section]) -> tuple[str, tuple[Section, ...]]:
    """Return the title, and the sections without it.

    If there is no *title*, it is the heading that stands above all others.
    """
    outermost = {each.headings[:1] for each in sections if each.headings}
    if not title and len(outermost) == 1:
        title = outermost.pop()[0]
    shorter = [
        Section(text=each.text, headings=each.headings[1:], page=each.page)
        if title and each.headings[:1] == (title,)
        else each
        for each in sections
    ]
    return title, tuple(shorter)
