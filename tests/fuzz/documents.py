"""Documents of every format: what of them gets into an index."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.rag.chunks import cut, embedded_text, estimate
from ramalama.rag.documents.find import Loaded
from ramalama.rag.documents.limits import LONGEST_HEADING, Budget, Unreadable
from ramalama.rag.documents.read import read_document
from tests.fuzz.targets import Target
from tests.unit.ramalama.rag import made_documents as made

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_SECONDS = 3.0  # that one document may take
_LIMIT = 64  # tokens of a chunk
_CONTROLS = frozenset(map(chr, (*range(9), 11, *range(14, 32))))
_PART = "word/document.xml"


def reader(name: str) -> Callable[[bytes], None]:
    """Make what reads and cuts a document of this name."""

    def read(data: bytes) -> None:
        with suppress(Unreadable):
            _check(Loaded(name, data))

    return read


def read_docx(data: bytes) -> None:
    """Read a document of a word processor: an archive, or its text alone."""
    with suppress(Unreadable):
        _check(Loaded("a.docx", data))
    with suppress(Unreadable):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(_PART, data)
        _check(Loaded("a.docx", file.getvalue()))


def _check(loaded: Loaded) -> None:
    document = read_document(loaded, Budget(seconds=_SECONDS))
    assert 0 < len(document.title) <= LONGEST_HEADING
    assert list(document.pages_without_text) == sorted(set(document.pages_without_text))
    for section in document.sections:
        assert section.text.strip()
        assert all(0 < len(heading) <= LONGEST_HEADING for heading in section.headings)
        assert section.page is None or section.page > 0
        for text in (section.text, *section.headings, document.title):
            text.encode()
            assert _CONTROLS.isdisjoint(text)
    for chunk in cut(document, limit=_LIMIT):
        assert chunk.text.strip()
        assert 0 <= chunk.overlap <= len(chunk.text)
        assert estimate([embedded_text(document.title, chunk)])[0] <= 2 * _LIMIT


def _markdown() -> Sequence[bytes]:
    return (
        b"---\ntitle: a\n---\n# One\ntext\n\n## Two `x` ##\n\n- a\n- b\n\n| a | b |\n|---|---|\n",
        b"One\n===\n\nTwo\n---\n\n```py\n# no\n```\n\n~~~\n```\n~~~\n[a](b) **c**",
        b"% page 1\n\n## NAME\n" + b"word " * 200,
    )


def _html() -> Sequence[bytes]:
    return (
        b"<!DOCTYPE html><html><head><meta charset=utf-8><title>t</title></head><body><h1>a</h1>",
        b"<p>b &amp; c<table><tr><th>d<td>e</table><pre>  f\n g</pre><script>x</script></body>",
        b"<div hidden>a</div><nav><ul><li>b</ul></nav><h2>c<br>d</h2><!-- e --><![CDATA[f]]>",
    )


def _tables() -> Sequence[bytes]:
    return (b'a;b\n1;"2\n3"\n', b"a,b\n" + b"1,2\n" * 50, b"a\tb\n\n", b'"' + b"x" * 100)


def _pdfs() -> Sequence[bytes]:
    return (
        made.pdf(["a page with text", None, "exam-\nple"], bookmarks=[("One", 1), ("Two", 3)]),
        made.written({1: b"<</Type/Catalog/Pages 2 0 R>>", 2: b"<</Type/Pages/Kids[]/Count 0>>"}),
    )


def _docx() -> Sequence[bytes]:
    body = made.paragraph("One", style="h") + made.paragraph("text") + "<w:tbl><w:tr><w:tc/></w:tr>"
    whole = made.docx(body + "</w:tbl>", styles='<w:style w:styleId="h"/>')
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        return (whole, archive.read(_PART))


TARGETS: Mapping[str, Target] = {
    "markdown": Target(run=reader("a.md"), seeds=_markdown, short=1000),
    "html": Target(run=reader("a.html"), seeds=_html, short=1000),
    "csv": Target(run=reader("a.csv"), seeds=_tables, short=1000),
    "text": Target(run=reader("a.txt"), seeds=_markdown, short=1000),
    "pdf": Target(run=reader("a.pdf"), seeds=_pdfs, short=100),
    "docx": Target(run=read_docx, seeds=_docx, short=300),
}
