"""Pictures for a model that reads them: checked files, and those of PDF pages, by pypdf and Pillow.

Nothing is drawn here: a page is the pictures that it has. JPEG streams are taken as they are.
"""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, cast

from ramalama.rag.documents.limits import LARGEST_PICTURE, MOST_PIXELS, Unreadable, too_large
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from PIL.Image import Image
    from pypdf.generic import StreamObject

MISSING = "is a picture, which needs the Python package Pillow: pip install 'pillow>=11,<14'"

_SMALLEST = 16  # pixels of a side; what is smaller has no text
_LONGEST_SIDE = 4096  # pixels of a picture that is not passed on as it is
_MOST_FORMS = 100
_MOST_PICTURES = 32  # of a page
_LARGEST_STREAM = 75_000_000  # bytes, decompressed; as `image_maximum_buffer_size` of pypdf
_MODES = frozenset({"1", "L", "RGB"})


def check_picture(data: bytes) -> bool:
    """Return whether a PNG or JPEG file is large enough for text; only its head is looked at.

    Raises:
        Unreadable: it is damaged or too large, or Pillow is missing.
    """
    if len(data) > LARGEST_PICTURE:
        raise too_large(LARGEST_PICTURE)
    try:
        from PIL import Image  # noqa: PLC0415 (an extra, and slow to import)
    except ImportError:
        raise Unreadable(MISSING) from None
    try:
        with _strict(), Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            size = picture.size
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise _too_many() from None
    except Exception as exc:  # strangers' files bring up any error in Pillow
        msg = "is a damaged picture"
        raise Unreadable(msg) from exc
    return _is_large_enough(*size)


def pictures_of(page: object) -> Iterator[bytes]:
    """Yield the pictures of a PDF page that are large enough for text, as PNG or JPEG files.

    Raises:
        Unreadable: one of them cannot be decoded, or is too large, or there are too many.
    """
    with _decoding():
        forms = image_forms(page, _MOST_PICTURES + 1)
    if len(forms) > _MOST_PICTURES:
        msg = f"has more than {_MOST_PICTURES} pictures"
        raise Unreadable(msg)
    for form in forms:
        with _decoding():
            data = _data_of(form)
        if data is not None and check_picture(data):
            yield data


def image_forms(page: object, most: int) -> Sequence[StreamObject]:
    """Return at most *most* of the images among the resources of a PDF page."""
    resources = _resolved(page.get("/Resources")) if is_object(page) else None
    forms = _resolved(resources.get("/XObject")) if is_object(resources) else None
    if not is_object(forms):
        return ()
    found = (_resolved(form) for form in islice(forms.values(), _MOST_FORMS))
    images = (form for form in found if is_object(form) and form.get("/Subtype") == "/Image")
    return [cast("StreamObject", form) for form in islice(images, most)]


def _data_of(form: StreamObject) -> bytes | None:
    """Return an image of a PDF file as PNG or JPEG; None if it is too small for text."""
    width, height = (_resolved(form.get(name)) for name in ("/Width", "/Height"))
    if not isinstance(width, int) or not isinstance(height, int):
        msg = "has a picture without a size"
        raise Unreadable(msg)
    if width * height > MOST_PIXELS:
        raise _too_many()
    if not _is_large_enough(width, height):
        return None
    filters = _resolved(form.get("/Filter"))
    last = filters[-1] if is_array(filters) and filters else filters
    if last == "/DCTDecode":
        return form.get_data()
    image: Image = form.decode_as_image()
    return _png(image)


def _png(image: Image) -> bytes:
    from PIL import Image as images  # noqa: PLC0415, N813 (see above; a module)

    if image.width * image.height > MOST_PIXELS:
        raise _too_many()
    if image.mode not in _MODES:
        # What is transparent is white, as paper is.
        whole = image.convert("RGBA")
        image = images.new("RGB", image.size, "white")
        image.paste(whole, mask=whole.getchannel("A"))
    if max(image.size) > _LONGEST_SIDE:
        image = image.convert("L") if image.mode == "1" else image
        image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


@contextmanager
def _decoding() -> Generator[None]:
    """Bound what pypdf and Pillow do in the block, and turn their errors into `Unreadable`."""
    try:
        import pypdf  # noqa: PLC0415 (see above)
        from PIL import Image  # noqa: PLC0415 (see above)
    except ImportError:
        msg = MISSING.replace("is", "has", 1)
        raise Unreadable(msg) from None
    bounded = pypdf.apply_configuration(
        zlib_maximum_output_length=_LARGEST_STREAM,
        lzw_maximum_output_length=_LARGEST_STREAM,
        run_length_maximum_output_length=_LARGEST_STREAM,
        array_based_stream_maximum_output_length=_LARGEST_STREAM,
        image_maximum_buffer_size=_LARGEST_STREAM,
        jbig2dec_binary=None,  # no program is run
    )
    try:
        with bounded, _strict():
            yield
    except Unreadable:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise _too_many() from None
    except Exception as exc:  # strangers' files bring up any error in pypdf and Pillow
        msg = "has a picture that cannot be decoded"
        raise Unreadable(msg) from exc


@contextmanager
def _strict() -> Generator[None]:
    """Make an error of Pillow's warning about a picture with very many pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message="Image size .* exceeds limit")
        yield


def _is_large_enough(width: int, height: int) -> bool:
    """Return whether a picture may have text.

    Raises:
        Unreadable: it has too many pixels.
    """
    if width * height > MOST_PIXELS:
        raise _too_many()
    return min(width, height) >= _SMALLEST


def _too_many() -> Unreadable:
    return Unreadable(f"has a picture of more than {MOST_PIXELS // 10**6} million pixels")


def _resolved(value: object) -> object:
    """Return what a reference within a PDF file refers to."""
    get = getattr(value, "get_object", None)
    return get() if get is not None else value
