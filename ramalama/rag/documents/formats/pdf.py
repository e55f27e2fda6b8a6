"""The text layer of PDF files, by pypdf.

pypdf bounds what a file may make it do: sizes of decompressed streams, nested forms, steps of
parsing. The bounds are tightened here, and the time is bounded between the operators of a page, and
between the objects of the file.
"""

from __future__ import annotations

import io
import logging
import re
from itertools import islice
from typing import TYPE_CHECKING, cast

from ramalama.rag.documents.formats.plain import clean
from ramalama.rag.documents.limits import LONGEST_HEADING, MOST_PAGES, Unreadable
from ramalama.rag.values import Section
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pypdf
    from pypdf.generic import Destination, IndirectObject, PdfObject

    from ramalama.rag.documents.limits import Budget

MISSING = 'is a PDF file, which needs the extra "rag": pip install "ramalama[rag]"'

_BROKEN = "is damaged"
_LARGEST_STREAM = 16 * 1024 * 1024  # bytes, decompressed
_LEAST_TEXT = 8  # letters and digits of a page that has a text layer
_HYPHEN = re.compile("(?<=[a-z\xdf-\xff])-\n(?=[a-z\xdf-\xff])")
_SPACES = re.compile(r"[ \t]{2,}")
_MOST_BOOKMARKS = 5000
_MOST_FORMS = 100
_DEEPEST = 8  # bookmarks in each other

logging.getLogger("pypdf").addHandler(logging.NullHandler())  # else it writes to stderr


def read_pdf(data: bytes, budget: Budget) -> tuple[tuple[Section, ...], tuple[int, ...]]:
    """Return a section for each page with text, and the pages that were scanned.

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
            return _read(_opened(data, budget), budget)
        except (Unreadable, KeyboardInterrupt):
            raise
        except Exception as exc:  # strangers' files bring up any error in pypdf
            raise Unreadable(_BROKEN) from exc


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


def _read(reader: pypdf.PdfReader, budget: Budget) -> tuple[tuple[Section, ...], tuple[int, ...]]:
    sections, scanned, broken = list[Section](), list[int](), 0
    headings: tuple[str, ...] = ()
    bookmarks = _bookmarks(reader)
    for number, page in enumerate(reader.pages, 1):
        budget.spend()
        headings = bookmarks.get(number, headings)
        try:
            text = _text(page, budget)
            is_scanned = sum(map(str.isalnum, text)) < _LEAST_TEXT and _has_image(page)
        except Unreadable:
            raise
        except Exception:  # noqa: BLE001 (see above; other pages may be fine)
            broken += 1
            continue
        if is_scanned:
            scanned.append(number)
        elif text:
            sections.append(Section(text=text, headings=headings, page=number))
    if broken and not sections and not scanned:
        raise Unreadable(_BROKEN)
    return tuple(sections), tuple(scanned)


def _text(page: pypdf.PageObject, budget: Budget) -> str:
    def look_at_clock(*_: object) -> None:
        budget.spend()

    text = page.extract_text(visitor_operand_before=look_at_clock)
    budget.spend(len(text))
    return _SPACES.sub(" ", _HYPHEN.sub("", clean(text))).strip()


def _has_image(page: object) -> bool:
    resources = _resolved(page.get("/Resources")) if is_object(page) else None
    forms = _resolved(resources.get("/XObject")) if is_object(resources) else None
    if not is_object(forms):
        return False
    found = (_resolved(form) for form in islice(forms.values(), _MOST_FORMS))
    return any(is_object(form) and form.get("/Subtype") == "/Image" for form in found)


def _resolved(value: object) -> object:
    """Return what a reference within the file refers to."""
    get = getattr(value, "get_object", None)
    return get() if get is not None else value


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
