"""Scanned PDF files, and a reader that knows their pictures."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

from PIL import Image

from ramalama.rag.documents.limits import Unreadable
from ramalama.rag.values import OcrInfo
from ramalama_chat.errors import ServerGone
from tests.unit.ramalama.rag.made_documents import stream, written

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE = 32
JPEG = b"/Filter/DCTDecode/ColorSpace/DeviceRGB"
FLATE = b"/Filter/FlateDecode/ColorSpace/DeviceRGB"


def jpeg(color: str, *, size: int = SIZE) -> bytes:
    """Return a JPEG file of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (size, size), color).save(file, format="JPEG")
    return file.getvalue()


def image(data: bytes, entries: bytes = JPEG, *, width: int = SIZE, height: int = SIZE) -> bytes:
    """Return an image object of a PDF file."""
    head = b"/Type/XObject/Subtype/Image/BitsPerComponent 8/Width %d/Height %d" % (width, height)
    return stream(data, head + entries)


def raw(pixel: bytes, *, width: int = SIZE, height: int = SIZE, given: int | None = None) -> bytes:
    """Return an image object with compressed pixels, as many as its size says, or as *given*."""
    count = width * height if given is None else given
    return image(zlib.compress(pixel * count, 9), FLATE, width=width, height=height)


def scanned(pages: Sequence[Sequence[bytes]]) -> bytes:
    """Return a PDF file; each page has some image objects, and no text."""
    objects: dict[int, bytes] = {1: b"<</Type/Catalog/Pages 2 0 R>>"}
    kids = list[bytes]()
    free = 3
    for images in pages:
        names = b"".join(b"/I%d %d 0 R" % (n, free + 2 + n) for n in range(len(images)))
        shown = b" ".join(b"/I%d Do" % n for n in range(len(images)))
        kids.append(b"%d 0 R" % free)
        objects[free] = (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents %d 0 R"
            b"/Resources<</XObject<<%s>>>>>>" % (free + 1, names)
        )
        objects[free + 1] = stream(shown)
        objects |= {free + 2 + n: each for n, each in enumerate(images)}
        free += 2 + len(images)
    objects[2] = b"<</Type/Pages/Kids[%s]/Count %d>>" % (b" ".join(kids), len(kids))
    return written(objects)


class ColorReader:
    """Meets `PictureReader`: says the colour of a picture in a sentence; remembers how often.

    It refuses pictures of the colours that *refuses* names, and its server dies of *dies_of*.
    """

    def __init__(
        self, *, name: str = "eye", refuses: Sequence[str] = (), dies_of: Sequence[str] = ()
    ) -> None:
        self.info = OcrInfo(model=name, digest=f"sha256:{name}")
        self.asked: list[str] = []
        self.refuses = refuses
        self.dies_of = dies_of

    def read(self, picture: bytes) -> str:
        """Return the name of the colour of a picture."""
        with Image.open(io.BytesIO(picture)) as opened:
            pixel = opened.convert("RGB").getpixel((0, 0))
        assert isinstance(pixel, tuple)
        color = ("red", "green", "blue", "black")[
            max(range(3), key=lambda place: pixel[place]) if max(pixel) > 100 else 3
        ]
        self.asked.append(color)
        if color in self.refuses:
            msg = "was refused"
            raise Unreadable(msg)
        if color in self.dies_of:
            msg = "the server went away"
            raise ServerGone(msg)
        return "" if color == "black" else f"The page is {color} all over.\x1b[31m"
