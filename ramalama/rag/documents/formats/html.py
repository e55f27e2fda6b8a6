"""HTML: what a reader sees of a page, without menus, scripts and styles."""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from ramalama.rag.documents.formats.headings import Outline, take_title
from ramalama.rag.documents.formats.plain import clean, decode
from ramalama.rag.documents.limits import Unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.rag.documents.limits import Budget
    from ramalama.rag.values import Section

_SKIPPED = frozenset(
    {
        "script",
        "style",
        "nav",
        "template",
        "noscript",
        "svg",
        "math",
        "head",
        "iframe",
        "object",
        "select",
        "button",
    }
)
# A new element of these ends the one before, so its end may never come.
_OPEN_ENDED = frozenset({"p", "li", "dt", "dd", "tr", "td", "th", "tbody", "thead", "tfoot"})
_VOID = frozenset(
    {
        "br",
        "hr",
        "img",
        "input",
        "meta",
        "link",
        "area",
        "base",
        "col",
        "embed",
        "source",
        "track",
        "wbr",
    }
)
_BLOCKS = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "header",
        "hr",
        "li",
        "main",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "ul",
    }
)
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_CELLS = ("td", "th")
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([a-zA-Z0-9_.:-]{1,40})""")
# Python has other ones, which take forever or are no text.
_ENCODINGS = re.compile(
    r"ascii|utf-(8|16|16-le|16-be)|iso8859-\d{1,2}|cp(125\d|437|850|866|932|936|949|950)"
    r"|koi8-[ru]|gb(k|18030|2312)|big5|euc_(jp|kr)|shift_jis"
)
_PIECE = 1024 * 1024  # characters
_MOST_ATTRIBUTES = 10_000  # of one element
_LONGEST_TITLE = 300  # characters
_SEARCHED = 4096  # bytes in which the encoding must be named
_BLANK = re.compile(r"[^\S\n\t]+")
_SPACE = "\0"  # no text has it
_TABS = re.compile(" *\t *")
_NEWLINES = re.compile(r"\n{3,}")


def read_html(data: bytes, media_type: str, budget: Budget) -> tuple[str, tuple[Section, ...]]:
    """Return the title of a page, or "", and its sections."""
    reader = _Reader(budget)
    text = _decoded(data, media_type)
    for start in range(0, len(text), _PIECE):
        reader.feed(text[start : start + _PIECE])
        _check_tag(reader.rawdata)
    reader.close()
    reader.finish()
    return take_title(reader.title, reader.outline.sections)


def _check_tag(rest: str) -> None:
    """Refuse a tag without an end: the parser needs a hundred bytes for each of its attributes.

    *rest* is what the parser keeps until more comes. A long picture in an attribute is no harm.
    """
    if rest.startswith("<") and rest[1:2].isalpha() and rest.count("=") > _MOST_ATTRIBUTES:
        msg = "is damaged"
        raise Unreadable(msg)


def _decoded(data: bytes, media_type: str) -> str:
    """Return the text, in the encoding that the server or the page names, if it is one."""
    named = _CHARSET.search(media_type.encode(errors="replace")) or _CHARSET.search(
        data[:_SEARCHED]
    )
    if named and not data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        with suppress(LookupError, ValueError):  # it is none, or not that of the page
            encoding = codecs.lookup(named[1].decode()).name
            if _ENCODINGS.fullmatch(encoding):
                return clean(data.decode(encoding))
    return clean(decode(data))


class _Reader(HTMLParser):
    """Collects the text of a page; a stranger may nest and leave open what he likes."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(convert_charrefs=True)
        self.outline = Outline()
        self.title = ""
        self._budget = budget
        self._skipped: str | None = None  # the element that is skipped, and how often it is open
        self._depth = 0
        self._heading: int | None = None
        self._in_title = False
        self._in_cell = False  # where blocks are not shown below each other
        self._pre = 0
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self._budget.spend(1)
        if tag == "title":
            self._in_title = not self.title
        elif self._skipped is not None:
            self._depth += tag == self._skipped
            # A page may leave out the end of its head.
            if tag == "body" and self._skipped == "head":
                self._skipped = None
        elif tag in _SKIPPED or (tag not in _VOID | _OPEN_ENDED and _is_hidden(attrs)):
            self._skipped, self._depth = tag, 1
        elif tag in _HEADINGS:
            self._flush()
            self._heading = int(tag[1])
        else:
            self._begin(tag)

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if tag in _VOID or tag in _BLOCKS or tag in _CELLS:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self._budget.spend()
        if tag == "title":
            self._in_title = False
        elif self._skipped is not None:
            self._depth -= tag == self._skipped
            if self._depth <= 0:
                self._skipped = None
        elif tag in _HEADINGS and self._heading is not None:
            heading = "".join(self._text)
            level, self._heading, self._text = self._heading, None, []
            self.outline.begin(level, heading)
        elif tag in _CELLS:
            self._in_cell = False
        elif tag in _BLOCKS:
            self._pre -= tag == "pre" and self._pre > 0
            self._in_cell &= tag != "table"
            self._text.append(" " if self._in_cell else "\n")

    def handle_data(self, data: str) -> None:
        self._budget.spend(len(data))
        if self._in_title:
            self.title = " ".join(f"{self.title} {data}".split())[:_LONGEST_TITLE]
        elif self._skipped is None:
            # The spaces of program text are kept until the end.
            self._text.append(data.replace(" ", _SPACE) if self._pre else _collapsed(data))

    def parse_html_declaration(self, i: int) -> int:
        """Skip ``<![if IE]>`` and the like; the library raises AssertionError for odd ones."""
        if not self.rawdata.startswith("<![", i):
            return super().parse_html_declaration(i)
        return self.rawdata.find(">", i) + 1 or -1

    def finish(self) -> None:
        """Take what is left at the end."""
        self._flush()
        self.outline.end()

    def _begin(self, tag: str) -> None:
        if tag in _CELLS:
            self._in_cell = True
            self._text.append("\t")
        elif tag == "tr":
            self._in_cell = False
            self._text.append("\n")
        elif self._in_cell:
            self._text.append(" " if tag in _BLOCKS or tag == "br" else "")
        elif tag == "br":
            self._text.append("\n")
        elif tag == "li":
            self._text.append("\n- ")
        elif tag in _BLOCKS:
            self._pre += tag == "pre"
            self._text.append("\n\n")

    def _flush(self) -> None:
        """Give the text so far to the section."""
        text, self._text, self._heading = "".join(self._text), [], None
        text = _TABS.sub("\t", text)
        lines = [line.strip(" ").removeprefix("\t") for line in text.split("\n")]
        joined = "\n".join(line.replace(_SPACE, " ").rstrip() for line in lines)
        joined = _NEWLINES.sub("\n\n", joined)
        if joined.strip():
            self.outline.add(joined)


def _collapsed(text: str) -> str:
    """Return *text* with white space as a browser shows it."""
    return _BLANK.sub(" ", text.replace("\n", " ").replace("\t", " "))


def _is_hidden(attrs: Sequence[tuple[str, str | None]]) -> bool:
    """Return whether an element is not shown, in which text for models may stand."""
    for name, value in attrs:
        style = (value or "").replace(" ", "").lower()
        if name == "hidden" or (name == "aria-hidden" and style == "true"):
            return True
        if name == "style" and ("display:none" in style or "visibility:hidden" in style):
            return True
    return False
