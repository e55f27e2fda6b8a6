"""The text layer of PDF files, by pypdf.

pypdf bounds what a file may make it do: sizes of decompressed streams, nested forms, steps of
parsing. The bounds are tightened here, and the time is bounded between the operators of a page, and
between the objects of the file.
"""

from __future__ import annotations

import io
import logging
import re
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, cast

from ramalama.rag.documents.formats.pictures import image_forms, pictures_of
from ramalama.rag.documents.formats.plain import clean
from ramalama.rag.documents.limits import LONGEST_HEADING, MOST_PAGES, Unreadable
from ramalama.rag.values import Scan, Section
from ramalama_values import frozen
from ramalama_values.json import is_array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pypdf
    from pypdf.generic import Destination, IndirectObject, PdfObject

    from ramalama.rag.documents.limits import Budget

MISSING = "is a PDF file, which needs the Python package pypdf: pip install 'pypdf>=7.1,<8'"

_BROKEN = "is damaged"
_LARGEST_STREAM = 16 * 1024 * 1024  # bytes, decompressed
_LEAST_TEXT = 8  # letters and digits of a page that has a text layer
_HYPHEN = re.compile("(?<=[a-z\xdf-\xff])-\n(?=[a-z\xdf-\xff])")
_SPACES = re.compile(r"[ \t]{2,}")
_MOST_BOOKMARKS = 5000
_DEEPEST = 8  # bookmarks in each other

logging.getLogger("pypdf").addHandler(logging.NullHandler())  # else it writes to stderr


def read_pdf(
    data: bytes, budget: Budget, read_scan: Callable[[Scan], str] | None = None
) -> tuple[tuple[Section, ...], tuple[int, ...]]:
    """Return a section for each page with text, and the scanned pages that were not read.

    Without *read_scan*, these are all scanned pages.

    Raises:
        Unreadable: the file is damaged, has a password, or pypdf is missing.
    """
    try:
        import pypdf  # noqa: PLC0415 (an extra, and slow to import)
    except ImportError:
        raise Unreadable(MISSING) from None
    with pypdf.apply_configuration(
        zlib_maximum_output_length=_LARGEST_STREAM,
        lzw_maximum_output_length=_LARGEST_STREAM,
        run_length_maximum_output_length=_LARGEST_STREAM,
        array_based_stream_maximum_output_length=_LARGEST_STREAM,
        page_tree_maximum_entries=MOST_PAGES,
        jbig2dec_binary=None,  # no program is run
    ):
        try:
            sections, scans = _read(_opened(data, budget), budget)
        except (Unreadable, KeyboardInterrupt):
            raise
        except Exception as exc:  # strangers' files bring up any error in pypdf
            raise Unreadable(_BROKEN) from exc
    if read_scan is None:
        return tuple(sections), tuple(scan.number for scan in scans)
    return _with_scans(sections, scans, budget, read_scan)


@frozen(kw_only=False)
class _ScannedPage:
    number: int
    page: pypdf.PageObject
    headings: tuple[str, ...]


def _with_scans(
    sections: list[Section],
    scans: Sequence[_ScannedPage],
    budget: Budget,
    read_scan: Callable[[Scan], str],
) -> tuple[tuple[Section, ...], tuple[int, ...]]:
    unread: list[int] = []
    for number, each in enumerate(scans, 1):
        pictures = partial(pictures_of, each.page)
        scan = Scan(page=each.number, number=number, count=len(scans), pictures=pictures)
        try:
            with budget.paused():
                text = read_scan(scan)
        except Unreadable:  # other pages may be fine
            unread.append(each.number)
            continue
        budget.spend(len(text))
        if text:
            sections.append(Section(text=text, headings=each.headings, page=each.number))
    return tuple(sorted(sections, key=lambda section: section.page or 0)), tuple(unread)


def _opened(data: bytes, budget: Budget) -> pypdf.PdfReader:
    from pypdf import PdfReader  # noqa: PLC0415 (as in `read_pdf`)
    from pypdf.errors import DependencyError  # noqa: PLC0415 (likewise)

    class Reader(PdfReader):
        """Looks at the clock before each object: files are walks from one object to the next."""

        def get_object(self, indirect_reference: int | IndirectObject) -> PdfObject | None:
            budget.spend()
            return super().get_object(indirect_reference)

    reader = Reader(io.BytesIO(data))
    if reader.is_encrypted:
        # Many files have a password for changing them, and none for reading.
        try:
            opens = bool(reader.decrypt(""))
        except DependencyError:  # an algorithm that another package knows
            opens = False
        if not opens:
            msg = "has a password"
            raise Unreadable(msg)
    return reader


def _read(reader: pypdf.PdfReader, budget: Budget) -> tuple[list[Section], Sequence[_ScannedPage]]:
    sections, scanned, broken = list[Section](), list[_ScannedPage](), 0
    headings: tuple[str, ...] = ()
    bookmarks = _bookmarks(reader)
    for number, page in enumerate(reader.pages, 1):
        budget.spend()
        headings = bookmarks.get(number, headings)
        try:
            text = _text(page, budget)
            is_scanned = sum(map(str.isalnum, text)) < _LEAST_TEXT
            is_scanned = is_scanned and bool(image_forms(page, 1))
        except Unreadable:
            raise
        except Exception:  # noqa: BLE001 (see above; other pages may be fine)
            broken += 1
            continue
        if is_scanned:
            scanned.append(_ScannedPage(number, page, headings))
        elif text:
            sections.append(Section(text=text, headings=headings, page=number))
    if broken and not sections and not scanned:
        raise Unreadable(_BROKEN)
    return sections, scanned


def _text(page: pypdf.PageObject, budget: Budget) -> str:
    def look_at_clock(*_: object) -> None:
        budget.spend()

    text = page.extract_text(visitor_operand_before=look_at_clock)
    budget.spend(len(text))
    return _SPACES.sub(" ", _HYPHEN.sub("", clean(text))).strip()


def _bookmarks(reader: pypdf.PdfReader) -> Mapping[int, tuple[str, ...]]:
    """Return the headings with which pages begin, as the table of contents has them."""
    found: dict[int, tuple[str, ...]] = {}
    try:
        outline: object = reader.outline
        for page, path in islice(_walk(reader, outline, ()), _MOST_BOOKMARKS):
            found.setdefault(page, path)
    except Unreadable:
        raise
    except Exception:  # noqa: BLE001 (see above; a document is of use without its headings)
        return {}
    return found


def _walk(
    reader: pypdf.PdfReader, outline: object, above: tuple[str, ...]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield pages, from 1, with the bookmarks to them; a list belongs to the one before it."""
    path = above
    for each in outline if is_array(outline) else ():
        if is_array(each):
            if len(above) < _DEEPEST:
                yield from _walk(reader, each, path)
            continue
        bookmark = cast("Destination", each)
        title = " ".join(str(getattr(bookmark, "title", "")).split())[:LONGEST_HEADING]
        path = (*above, title) if title else above
        page = reader.get_destination_page_number(bookmark)
        if page is not None and title:
            yield page + 1, path
