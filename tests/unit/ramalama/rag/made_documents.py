"""Documents of the formats that are not text, made of nothing."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def pdf(pages: Sequence[str | None], *, bookmarks: Sequence[tuple[str, int]] = ()) -> bytes:
    """Return a PDF file; a page that is None is scanned: it has an image and no text.

    *bookmarks* are titles, and the numbers of their pages, from 1.
    """
    objects: dict[int, bytes] = {}
    first = 10
    kids = b" ".join(b"%d 0 R" % (first + 2 * number) for number, _ in enumerate(pages))
    objects[2] = b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages))
    objects[3] = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    objects[4] = stream(b"\0" * 3, b"/Type/XObject/Subtype/Image/Width 1/Height 1")
    for number, text in enumerate(pages):
        page, content = first + 2 * number, first + 2 * number + 1
        resources = b"/Font<</F 3 0 R>>" if text is not None else b"/XObject<</I 4 0 R>>"
        objects[page] = (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents %d 0 R"
            b"/Resources<<%s>>>>" % (content, resources)
        )
        objects[content] = stream(_shown(text) if text is not None else b"/I Do")
    outlines = b""
    if bookmarks:
        outlines = b"/Outlines 5 0 R"
        base = first + 2 * len(pages)
        last = base + len(bookmarks) - 1
        objects[5] = b"<</First %d 0 R/Last %d 0 R/Count %d>>" % (base, last, len(bookmarks))
        for number, (title, page) in enumerate(bookmarks):
            following = b"/Next %d 0 R" % (base + number + 1) if base + number < last else b""
            objects[base + number] = b"<</Title(%s)/Parent 5 0 R/Dest[%d 0 R/Fit]%s>>" % (
                title.encode(),
                first + 2 * (page - 1),
                following,
            )
    objects[1] = b"<</Type/Catalog/Pages 2 0 R%s>>" % outlines
    return written(objects)


def stream(content: bytes, entries: bytes = b"", *, compressed: bool = False) -> bytes:
    """Return an object with a stream."""
    if compressed:
        content, entries = zlib.compress(content, 9), entries + b"/Filter/FlateDecode"
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (entries, len(content), content)


def written(objects: Mapping[int, bytes]) -> bytes:
    """Return a PDF file of *objects*; number 1 is its catalog."""
    file, offsets = bytearray(b"%PDF-1.4\n"), dict[int, int]()
    for number, content in sorted(objects.items()):
        offsets[number] = len(file)
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(file)
    file += b"xref\n0 1\n0000000000 65535 f \n"
    for number, offset in offsets.items():
        file += b"%d 1\n%010d 00000 n \n" % (number, offset)
    file += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (max(offsets) + 1, start)
    return bytes(file)


def _shown(text: str) -> bytes:
    """Return the operators that show *text*, line by line."""
    lines = [
        b"(%s) Tj T*" % line.encode("latin-1").replace(b"(", b"").replace(b")", b"")
        for line in text.splitlines()
    ]
    return b"BT /F 12 Tf 14 TL 50 700 Td\n" + b"\n".join(lines) + b"\nET"


def docx(body: str, *, styles: str = "", more: Mapping[str, bytes] | None = None) -> bytes:
    """Return a document of a word processor; *body* is its XML."""
    parts = {
        "[Content_Types].xml": b"<Types/>",
        "word/document.xml": f"<w:document {_W}><w:body>{body}</w:body></w:document>".encode(),
        **(more or {}),
    }
    if styles:
        parts["word/styles.xml"] = f"<w:styles {_W}>{styles}</w:styles>".encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def paragraph(text: str, *, style: str = "") -> str:
    """Return the XML of a paragraph."""
    named = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{named}<w:r><w:t>{escape(text)}</w:t></w:r></w:p>"
