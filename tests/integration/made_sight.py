"""Sight for SmolLM2: a picture of one colour becomes the model's own embedding of its name.

Nothing of it was trained. The patches carry their three colours into the first three of 64 places,
the one layer is of zeros and passes them on, and after both norms a pure colour is one of three
vectors that are known. The last matrix takes these to the embeddings of three words.
"""

from __future__ import annotations

import struct
import zlib
from math import sqrt
from typing import TYPE_CHECKING, Final

from ramalama.models.formats.gguf_metadata import parse_metadata
from tests.integration.made_models import aligned, make_projector

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COLORS: Final = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}

_TOKENS: Final = {"red": 2382, "green": 2654, "blue": 4461}  # each with a space before it
_PLACES: Final = 64
_PATCH: Final = 16 * 16  # pixels
_Q8_0: Final = (
    "<e32b"  # 32 numbers: a scale, and as many multiples of it; llama.cpp's ggml-common.h
)


def make_eye(weights: bytes) -> bytes:
    """Make a projector that sees `COLORS`, for the model in *weights*."""
    red, green, blue = (_embedding(weights, _TOKENS[name]) for name in COLORS)
    # Pure red is (1, -1, -1) times this, the others accordingly, and zero elsewhere.
    length = sqrt(_PLACES / len(COLORS))
    columns = [
        -(one + other) / 2 / length
        for others in ((green, blue), (red, blue), (red, green))
        for one, other in zip(*others, strict=True)
    ]
    rest = [0.0] * (len(red) * (_PLACES - len(COLORS)))
    ones = _floats([1.0] * _PLACES)
    return make_projector(
        {
            "v.patch_embd.weight": _floats(_means()),
            "v.post_ln.weight": ones,
            "mm.soft_emb_norm.weight": ones,
            "mm.input_projection.weight": _floats([*columns, *rest]),
        }
    )


def make_picture(color: str, *, size: int = 32) -> bytes:
    """Make a PNG of one of `COLORS`; its *size* is that of each side."""
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)  # eight bits a colour, RGB
    rows = (b"\0" + bytes(COLORS[color]) * size) * size
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def _embedding(weights: bytes, token: int) -> Sequence[float]:
    """Read what stands for *token*; the table has Q8_0 numbers."""
    metadata = parse_metadata(weights, name="the model")
    (table,) = (each for each in metadata.tensors if each.name == "token_embd.weight")
    width = table.dimensions[0]
    size = width // 32 * struct.calcsize(_Q8_0)
    start = aligned(metadata.size) + table.offset + token * size
    blocks = struct.iter_unpack(_Q8_0, weights[start : start + size])
    return [scale * each for scale, *multiples in blocks for each in multiples]


def _means() -> Iterable[float]:
    """Yield filters of patches: each of the first places has the mean of one colour."""
    for place in range(_PLACES):
        for color in range(len(COLORS)):
            yield from [1 / _PATCH if place == color else 0.0] * _PATCH


def _floats(numbers: Iterable[float]) -> bytes:
    values = tuple(numbers)
    return struct.pack(f"<{len(values)}f", *values)
