"""Documents that try to use up memory or time, or to run something: a reason, and nothing else."""

from __future__ import annotations

import io
import resource
import struct
import subprocess
import sys
import time
import zipfile
from typing import TYPE_CHECKING

import pytest

from ramalama.rag.documents.files import read_file
from ramalama.rag.documents.find import Loaded
from ramalama.rag.documents.limits import Budget, Unreadable
from ramalama.rag.documents.read import read_document
from tests.unit.ramalama.rag import made_documents as made

if TYPE_CHECKING:
    from pathlib import Path

_MIB = 1024 * 1024
_LAUGHS = b"".join(
    b'<!ENTITY l%d "%s">' % (number + 1, b"&l%d;" % number * 10) for number in range(9)
)
_BOMB = b'<!DOCTYPE x [<!ENTITY l0 "ha">' + _LAUGHS + b"]><x>&l9;</x>"


def reason(name: str, data: bytes, budget: Budget | None = None) -> str:
    with pytest.raises(Unreadable) as caught:
        read_document(Loaded(name, data), budget)
    return caught.value.reason


def test_a_file_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.html"
    with path.open("wb") as file:
        file.truncate(1024 * _MIB)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(Unreadable) as caught:
        read_file(str(path))

    assert caught.value.reason == "is larger than 64 MiB"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


def test_a_zip_bomb_ends_at_a_limit() -> None:
    body = made.paragraph("x" * 70 * _MIB)
    data = made.docx(body)
    assert len(data) < _MIB

    assert reason("a.docx", data) in {
        "is larger than 64 MiB",
        "has more than 8 million characters",
    }


def test_a_size_that_an_archive_lies_about_changes_nothing() -> None:
    data = bytearray(made.docx(made.paragraph("hello")))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = data.find(mark, data.find(b"word/document.xml") - 60)
        struct.pack_into("<I", data, start + offset, 2**31)

    try:
        read_document(Loaded("a.docx", bytes(data)))
    except Unreadable as exc:
        assert exc.reason == "is damaged"  # noqa: PT017 (either is fine)


@pytest.mark.parametrize("name", ["word/document.xml", "word/styles.xml"])
def test_entities_are_not_expanded(name: str) -> None:
    data = made.docx(made.paragraph("hello"), more={name: _BOMB})

    assert reason("a.docx", data) == "is damaged"


def test_an_external_entity_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("password")
    bomb = b'<!DOCTYPE x [<!ENTITY s SYSTEM "file://%s">]><x>&s;</x>' % bytes(secret)

    assert reason("a.docx", made.docx("", more={"word/document.xml": bomb})) == "is damaged"


def test_elements_may_not_be_nested_for_ever() -> None:
    assert reason("a.docx", made.docx("<w:tbl>" * 5000)) == "is damaged"


def test_an_encrypted_archive_is_damaged() -> None:
    file = io.BytesIO(made.docx(made.paragraph("x")))
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            assert not info.flag_bits & 1
    data = bytearray(file.getvalue())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := data.find(mark, start + 1)) >= 0:
            data[start + offset] |= 1

    assert reason("a.docx", bytes(data)) == "is damaged"


@pytest.mark.parametrize(
    "page",
    [
        b"<!" * 200_000,
        b"<!--" * 100_000,
        b"<![CDATA[" * 50_000,
        b"</" * 200_000,
        b"<a " * 200_000,
        b"<a b='" * 100_000,
        b"&#" * 200_000,
        b"<?" * 200_000,
        b"<div>" * 200_000,
        b"<table><tr><td>" * 50_000,
    ],
    ids=lambda page: page[:10].decode(),
)
def test_a_page_that_is_slow_to_parse_ends_in_time(page: bytes) -> None:
    began = time.monotonic()

    try:
        read_document(Loaded("a.html", page), Budget(seconds=2))
    except Unreadable as exc:
        assert exc.reason in {"is damaged", "takes longer than 2 s to read"}  # noqa: PT017 (any)

    assert time.monotonic() - began < 20


def test_a_document_with_too_much_text_is_refused() -> None:
    assert reason("a.txt", b"a b " * 2_100_000) == "has more than 8 million characters"


@pytest.mark.parametrize("size", [0, 1, 20, 200, 400])
def test_a_pdf_that_is_cut_off_or_damaged_is_refused_or_read(size: int) -> None:
    whole = made.pdf(["a page with some text", "and another"])
    for data in (whole[:size], whole[size:], whole[:size] + b"\xff" * 20 + whole[size + 20 :]):
        try:
            read_document(Loaded("a.pdf", b"%PDF-" + data))
        except Unreadable as exc:
            assert exc.reason in {"is damaged", "is a binary file"}  # noqa: PT017 (see above)


def test_a_decompression_bomb_in_a_pdf_ends_at_a_limit() -> None:
    bomb = made.stream(b" " * 200 * _MIB, compressed=True)
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<</Type/Page/Parent 2 0 R/Contents[%s]>>" % (b"4 0 R " * 50),
        4: bomb,
    }
    data = made.written(objects)
    assert len(data) < _MIB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()

    try:
        assert read_document(Loaded("a.pdf", data)).sections == ()
    except Unreadable as exc:
        assert exc.reason == "is damaged"  # noqa: PT017 (either is fine)

    assert time.monotonic() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 * 1024


def test_forms_that_show_each_other_many_times_end_in_time() -> None:
    form = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</F %d 0 R>>>>"
    objects = {number: made.stream(b"/F Do " * 10, form % (number + 1)) for number in range(10, 22)}
    objects |= {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</XObject<</F 10 0 R>>>>>>",
        4: made.stream(b"/F Do"),
        22: made.stream(b"BT (ha) Tj ET", b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]"),
    }
    began = time.monotonic()

    try:
        read_document(Loaded("a.pdf", made.written(objects)), Budget(seconds=5))
    except Unreadable as exc:
        assert exc.reason in {"is damaged", "takes longer than 5 s to read"}  # noqa: PT017

    assert time.monotonic() - began < 20


def test_pages_that_contain_each_other_end() -> None:
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 1000000>>",
    }

    try:
        read_document(Loaded("a.pdf", made.written(objects)))
    except Unreadable as exc:
        assert exc.reason == "is damaged"  # noqa: PT017 (see above)


def test_a_pdf_with_a_password_says_so() -> None:
    import pypdf  # noqa: PLC0415 (not for the other tests)

    writer = pypdf.PdfWriter(clone_from=io.BytesIO(made.pdf(["a secret page"])))
    writer.encrypt(user_password="s3cret", algorithm="RC4-128")  # noqa: S106 (made up)
    file = io.BytesIO()
    writer.write(file)

    assert reason("a.pdf", file.getvalue()) == "has a password"


def test_pypdf_writes_no_warnings(tmp_path: Path) -> None:
    data = made.pdf(["a page with text"]).replace(b"startxref\n", b"startxref\n9")
    (tmp_path / "a.pdf").write_bytes(data)
    code = (
        "import pathlib, sys\n"
        "from ramalama.rag.documents.find import Loaded\n"
        "from ramalama.rag.documents.read import read_document\n"
        "data = pathlib.Path(sys.argv[1]).read_bytes()\n"
        "print(read_document(Loaded('a.pdf', data)).sections[0].text)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.pdf")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert (done.stdout, done.stderr) == ("a page with text\n", "")


def test_bookmarks_without_end_are_read_for_a_bounded_time() -> None:
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R/Outlines 4 0 R>>",
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
        4: b"<</First 5 0 R>>",
    }
    objects |= {
        number: b"<</Title(a)/Dest[3 0 R/Fit]/Next %d 0 R>>" % (number + 1)
        for number in range(5, 20_000)
    }

    began = time.monotonic()
    assert reason("a.pdf", made.written(objects), Budget(seconds=0.5)) == (
        "takes longer than 0 s to read"
    )
    assert time.monotonic() - began < 5


def test_an_archive_of_a_million_files_is_not_listed() -> None:
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *[0] * 9, 1, *[0] * 6) + b"a"
    entries, start = entry * 300_000, b"PK\x03\x04"
    end = struct.pack(
        "<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 300_000, 300_000, len(entries), 4
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 4 + len(entries), 1)
    last = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)

    began = time.monotonic()
    assert reason("a.docx", start + entries + end + locator + last) == "is a binary file"
    assert time.monotonic() - began < 0.5


def test_a_tag_without_end_takes_little_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    told = reason("a.html", b"<html>" + b"<a href='" * 1_000_000, Budget(seconds=5))

    assert told == "is damaged"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 * 1024


@pytest.mark.parametrize("length", [1_500_000, 2_100_000])
def test_a_picture_in_a_tag_and_long_text_are_no_damage(length: int) -> None:
    page = f"<html><p>one two <img src='{'A' * length}=='> three {'four ' * (length // 5)}</p>"

    document = read_document(Loaded("a.html", page.encode()))

    (section,) = document.sections
    assert section.text.split() == ["one", "two", "three", *["four"] * (length // 5)]
