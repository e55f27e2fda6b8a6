"""Find out the format of a document, and read it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ramalama.rag.documents.find import STDIN, is_url
from ramalama.rag.documents.formats.plain import BINARY, clean, decode, read_plain
from ramalama.rag.documents.limits import LONGEST_HEADING, Budget, Unreadable
from ramalama.rag.values import Document, Scan, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ramalama.rag.documents.find import Loaded

VERSION = 1
"""Is raised whenever a document would get other sections than before."""

_ENDINGS = {
    "html": (".html", ".htm", ".xhtml"),
    "markdown": (".md", ".markdown", ".mdown", ".mkd", ".mdx"),
    "rst": (".rst",),
    "table": (".csv", ".tsv"),
}
_MEDIA_TYPES = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "markdown",
    "text/x-rst": "rst",
    "text/csv": "table",
    "text/tab-separated-values": "table",
}
_ARCHIVE = b"PK\x03\x04"
_PDF = b"%PDF-"
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_NEEDS_MODEL = "is a picture, which a model can read: --ocr-model"
_START = 1024  # bytes in which the mark of a PDF file may come
_HTML = (b"<!doctype html", b"<html")


def read_document(
    loaded: Loaded, budget: Budget | None = None, *, read_scan: Callable[[Scan], str] | None = None
) -> Document:
    """Read what was loaded, in the format that its bytes, its media type or its name say.

    *read_scan* returns the text of a page or a document that is a picture, or raises `Unreadable`.

    Raises:
        Unreadable: it is not text, damaged, or larger than the budget.
    """
    budget = budget or Budget()
    title, sections, scanned = _read(loaded, budget, read_scan)
    return Document(
        uri=loaded.uri,
        title=_valid(title)[:LONGEST_HEADING] or _last_part(loaded.uri),
        digest=loaded.digest,
        sections=tuple(map(_valid_section, _not_empty(sections))),
        pages_without_text=scanned,
    )


def _read(
    loaded: Loaded, budget: Budget, read_scan: Callable[[Scan], str] | None
) -> tuple[str, Iterable[Section], tuple[int, ...]]:
    # Readers are imported for documents that need them.
    data = loaded.data
    if _PDF in data[:_START]:
        from ramalama.rag.documents.formats.pdf import read_pdf  # noqa: PLC0415

        sections, scanned = read_pdf(data, budget, read_scan)
        return "", sections, scanned
    if data.startswith(_ARCHIVE):
        from ramalama.rag.documents.formats.docx import is_docx, read_docx  # noqa: PLC0415

        if not is_docx(data):
            raise Unreadable(BINARY)
        return "", read_docx(data, budget), ()
    if data.startswith(_PICTURES):
        return "", [_read_picture(data, budget, read_scan)], ()
    return *_read_text(loaded, budget), ()


def _read_picture(data: bytes, budget: Budget, read_scan: Callable[[Scan], str] | None) -> Section:
    if read_scan is None:
        raise Unreadable(_NEEDS_MODEL)
    from ramalama.rag.documents.formats.pictures import check_picture  # noqa: PLC0415 (see above)

    if not check_picture(data):
        msg = "is a picture too small for text"
        raise Unreadable(msg)
    with budget.paused():
        text = read_scan(Scan(pictures=lambda: [data]))
    budget.spend(len(text))
    return Section(text=text)


def _read_text(loaded: Loaded, budget: Budget) -> tuple[str, Iterable[Section]]:
    match _format_of(loaded):
        case "html":
            from ramalama.rag.documents.formats.html import read_html  # noqa: PLC0415 (see above)

            return read_html(loaded.data, loaded.media_type, budget)
        case "markdown":
            from ramalama.rag.documents.formats.markdown import read_markdown  # noqa: PLC0415

            return read_markdown(decode(loaded.data), budget)
        case "rst":
            from ramalama.rag.documents.formats.markdown import read_rst  # noqa: PLC0415

            return read_rst(decode(loaded.data), budget)
        case "table":
            from ramalama.rag.documents.formats.tables import read_table  # noqa: PLC0415

            return "", read_table(decode(loaded.data), budget)
        case _:
            return "", read_plain(decode(loaded.data), budget)


def _format_of(loaded: Loaded) -> str:
    kind = loaded.media_type.partition(";")[0].strip().lower()
    if kind in _MEDIA_TYPES:
        return _MEDIA_TYPES[kind]
    path = urlsplit(loaded.uri).path if is_url(loaded.uri) else loaded.uri
    ending = os.path.splitext(path)[1].lower()  # noqa: PTH122 (not a path of this machine, maybe)
    for name, endings in _ENDINGS.items():
        if ending in endings:
            return name
    return "html" if loaded.data[:_START].lstrip().lower().startswith(_HTML) else "plain"


def _last_part(uri: str) -> str:
    if uri == STDIN:
        return "standard input"
    if not is_url(uri):
        return uri.rpartition("/")[2] or uri
    parts = urlsplit(uri)
    return unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.netloc


def _not_empty(sections: Iterable[Section]) -> Iterable[Section]:
    return (section for section in sections if section.text.strip())


def _valid_section(section: Section) -> Section:
    headings = [_valid(heading) for heading in section.headings]
    shown = tuple(heading for heading in headings if heading)
    return Section(text=_valid(section.text), headings=shown, page=section.page)


def _valid(text: str) -> str:
    """Return *text* without control characters, and without halves of characters."""
    return clean(text.encode(errors="replace").decode())
