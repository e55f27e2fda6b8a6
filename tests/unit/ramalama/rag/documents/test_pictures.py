"""Pictures of scanned pages are taken out of PDF files within bounds."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from ramalama.rag.documents.find import Loaded
from ramalama.rag.documents.limits import LARGEST_PICTURE, Unreadable
from ramalama.rag.documents.read import read_document
from tests.unit.ramalama.rag.made_scans import JPEG, image, jpeg, raw, scanned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.rag.values import Scan


def pictures(data: bytes) -> tuple[list[bytes], list[str]]:
    """Return the pictures of a document, and why pages have none."""
    found, problems = list[bytes](), list[str]()

    def read_scan(scan: Scan) -> str:
        try:
            found.extend(scan.pictures())
        except Unreadable as exc:
            problems.append(exc.reason)
            raise
        return f"page {scan.page}, {scan.number} of {scan.count}"

    read_document(Loaded("a.pdf", data), read_scan=read_scan)
    return found, problems


def problem(*images: bytes) -> str:
    _, problems = pictures(scanned([images]))
    (reason,) = problems
    return reason


def png_head(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_a_jpeg_stream_is_taken_as_it_is() -> None:
    red = jpeg("red")

    assert pictures(scanned([[image(red)]])) == ([red], [])


def test_another_picture_becomes_png() -> None:
    (found,), problems = pictures(scanned([[raw(b"\0\0\xff")]]))

    assert found.startswith(b"\x89PNG")
    with Image.open(io.BytesIO(found)) as opened:
        assert (opened.size, opened.getpixel((0, 0))) == ((32, 32), (0, 0, 255))
    assert problems == []


def test_a_large_picture_is_made_smaller() -> None:
    (found,), _ = pictures(scanned([[raw(b"\0\0\xff", width=5000, height=100)]]))

    with Image.open(io.BytesIO(found)) as opened:
        assert opened.size == (4096, 82)


def test_all_pictures_of_a_page_are_taken_in_their_order_but_tiny_ones() -> None:
    strips = [jpeg("red"), jpeg("green"), jpeg("blue")]
    tiny = image(jpeg("red", size=8), width=8, height=8)

    assert pictures(scanned([[tiny, *map(image, strips)]])) == (strips, [])


def test_a_page_that_cannot_be_decoded_leaves_the_others() -> None:
    broken = image(b"no pixels", b"/Filter/JPXDecode/ColorSpace/DeviceRGB")

    found, problems = pictures(scanned([[broken], [image(jpeg("red"))]]))

    assert found == [jpeg("red")]
    assert problems == ["has a picture that cannot be decoded"]


@pytest.mark.parametrize(
    "bomb",
    [
        raw(b"\0\0\0", width=30_000, height=30_000, given=1),
        image(jpeg("red", size=6400)),  # its own size, not that of the PDF file
        image(jpeg("red"), width=10**9, height=10**9),
    ],
)
def test_a_picture_with_very_many_pixels_is_refused(bomb: bytes) -> None:
    assert problem(bomb) == "has a picture of more than 40 million pixels"


def test_a_stream_that_grows_without_measure_is_refused() -> None:
    assert problem(raw(b"\0" * 100, given=1_000_000)) == "has a picture that cannot be decoded"


def test_a_page_with_very_many_pictures_is_refused() -> None:
    assert problem(*[image(jpeg("red"))] * 33) == "has more than 32 pictures"


@pytest.mark.parametrize("size", [(30_000, 30_000), (10_000, 10_000), (7_000, 7_000)])
def test_a_picture_file_with_very_many_pixels_is_refused(size: tuple[int, int]) -> None:
    assert refused(png_head(*size)) == "has a picture of more than 40 million pixels"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png_head(8, 8), "is a picture too small for text"),
        (b"\xff\xd8\xff, and no JPEG", "is a damaged picture"),
        (jpeg("red") + bytes(LARGEST_PICTURE), "is larger than 16 MiB"),
    ],
)
def test_a_picture_file_that_is_of_no_use_is_refused(data: bytes, reason: str) -> None:
    assert refused(data) == reason


def refused(data: bytes, read: Sequence[bytes] = ()) -> str:
    with pytest.raises(Unreadable) as caught:
        read_document(Loaded("a.png", data), read_scan=lambda scan: str([*read, *scan.pictures()]))
    return caught.value.reason


def test_a_picture_is_left_out_without_a_model() -> None:
    with pytest.raises(Unreadable, match="--ocr-model"):
        read_document(Loaded("a.jpg", jpeg("red")))


def test_scans_are_numbered_and_their_text_stands_between_that_of_other_pages() -> None:
    data = scanned([[image(jpeg("red"))], [image(b"", JPEG)], [image(jpeg("red"))]])

    def read_scan(scan: Scan) -> str:
        if scan.page == 2:
            msg = "is bad"
            raise Unreadable(msg)
        return f"page {scan.page}, {scan.number} of {scan.count}"

    document = read_document(Loaded("a.pdf", data), read_scan=read_scan)

    assert [(each.page, each.text) for each in document.sections] == [
        (1, "page 1, 1 of 3"),
        (3, "page 3, 3 of 3"),
    ]
    assert document.pages_without_text == (2,)
