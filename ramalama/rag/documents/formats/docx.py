"""Documents of word processors: Office Open XML, ECMA-376.

The text is in one XML file of a zip archive. Both are read within bounds, and without a document
type, so there are no entities that could expand.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import TYPE_CHECKING, Protocol
from xml.parsers import expat

from ramalama.rag.documents.formats.headings import Outline
from ramalama.rag.documents.formats.plain import clean
from ramalama.rag.documents.limits import LARGEST_FILE, Unreadable, too_large

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ramalama.rag.documents.limits import Budget
    from ramalama.rag.values import Section

_TEXT = "word/document.xml"
_STYLES = "word/styles.xml"
_ENTRY = b"PK\x01\x02"  # begins an entry of an archive's list of files
_MOST_ENTRIES = 10_000
_DEEPEST = 1000  # elements in each other
_PIECE = 64 * 1024
_LEVELS = 9
_BROKEN = "is damaged"
_BREAKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


def is_docx(data: bytes) -> bool:
    """Return whether *data* is an archive with the text of a document in it."""
    if data.count(_ENTRY) > _MOST_ENTRIES:  # to list them takes a hundred times their size
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _TEXT in archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return False


def read_docx(data: bytes, budget: Budget) -> tuple[Section, ...]:
    """Return the sections of a document.

    Raises:
        Unreadable: it is damaged, too large, or has a password.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            styles = _Styles()
            if _STYLES in archive.namelist():
                _parse(archive, _STYLES, budget, styles)
            text = _Text(budget, styles.levels)
            _parse(archive, _TEXT, budget, text)
    except (
        *(zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, KeyError),
        *(RuntimeError, NotImplementedError, ValueError, OSError),
    ) as exc:
        raise Unreadable(_BROKEN) from exc
    text.outline.end()
    return tuple(text.outline.sections)


class _Handler(Protocol):
    """Is told what an XML file has; names of elements have no namespace."""

    def start(self, element: str, attributes: Mapping[str, str]) -> None:
        """Begin an element."""
        ...

    def end(self, element: str) -> None:
        """End an element."""
        ...

    def data(self, text: str) -> None:
        """Take text."""
        ...


def _parse(archive: zipfile.ZipFile, name: str, budget: Budget, handler: _Handler) -> None:
    """Parse a file of the archive."""
    parser = expat.ParserCreate(namespace_separator="}")
    depth = 0

    def start(element: str, attributes: Mapping[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise Unreadable(_BROKEN)
        handler.start(_local(element), {_local(key): value for key, value in attributes.items()})

    def end(element: str) -> None:
        nonlocal depth
        depth -= 1
        handler.end(_local(element))

    def refuse(*_: object) -> None:
        raise Unreadable(_BROKEN)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = handler.data
    parser.StartDoctypeDeclHandler = refuse
    parser.buffer_text = True
    size = 0
    with archive.open(name) as file:
        while piece := file.read(_PIECE):
            size += len(piece)
            if size > LARGEST_FILE:
                raise too_large(LARGEST_FILE)
            budget.spend()
            parser.Parse(piece)
    parser.Parse(b"", True)  # noqa: FBT003 (the end; expat has no keywords)


class _Styles:
    """Finds out which styles are headings: their names are in English in every language."""

    def __init__(self) -> None:
        self.levels: dict[str, int] = {}
        self._style = ""

    def start(self, element: str, attributes: Mapping[str, str]) -> None:
        """Note the name of a style."""
        if element == "style":
            self._style = attributes.get("styleId", "")
        elif element == "name" and self._style:
            name = attributes.get("val", "").lower()
            level = name.removeprefix("heading ")
            if level != name and level.isdecimal() and len(level) == 1 and level != "0":
                self.levels[self._style] = int(level)
            elif name == "title":
                self.levels[self._style] = 1
            self._style = ""

    def end(self, element: str) -> None:
        """Ignore the end of an element."""

    def data(self, text: str) -> None:
        """Ignore text."""


class _Text:
    """Collects the text of the paragraphs and tables."""

    def __init__(self, budget: Budget, levels: Mapping[str, int]) -> None:
        self.outline = Outline()
        self._budget = budget
        self._levels = levels
        self._level: int | None = None
        self._paragraph: list[str] = []
        self._cells: list[str] | None = None  # of the row of a table
        self._in_text = False

    def start(self, element: str, attributes: Mapping[str, str]) -> None:
        self._budget.spend(1)
        if element == "t":
            self._in_text = True
        elif element in _BREAKS:
            self._paragraph.append(_BREAKS[element])
        elif element == "pStyle":
            self._level = self._levels.get(attributes.get("val", ""))
        elif element == "outlineLvl" and attributes.get("val", "") in tuple("012345678"):
            self._level = int(attributes["val"]) + 1
        elif element == "tr":
            self._cells = []
        elif element == "tc" and self._cells is not None:
            self._cells.append("")

    def end(self, element: str) -> None:
        if element == "t":
            self._in_text = False
        elif element == "p":
            self._end_paragraph()
        elif element == "tr" and self._cells is not None:
            self.outline.add("\t".join(self._cells))
            self._cells = None
        elif element == "tbl":
            self.outline.add("")

    def data(self, text: str) -> None:
        if self._in_text:
            self._budget.spend(len(text))
            self._paragraph.append(text)

    def _end_paragraph(self) -> None:
        text = clean("".join(self._paragraph))
        level, self._level, self._paragraph = self._level, None, []
        if self._cells:
            self._cells[-1] = f"{self._cells[-1]} {' '.join(text.split())}".strip()
        elif level is not None and text.strip():
            self.outline.begin(level, text)
        elif text.strip():
            self.outline.add(f"{text}\n")


def _local(name: str) -> str:
    return name.rpartition("}")[2]
