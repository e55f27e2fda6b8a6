"""Headers of model files, and the memory that is estimated from them."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.gguf_metadata import parse_metadata
from ramalama.models.formats.safetensors import SafetensorsHeader
from ramalama.planning.memory.estimate import ModelShape
from tests.fuzz.targets import Target
from tests.unit.ramalama.models.formats.made_gguf import (
    ARRAY,
    FORMS,
    STRING,
    array,
    gguf,
    llama,
    scalar,
    tensor,
    text,
)
from tests.unit.ramalama.models.formats.made_gguf import string as gguf_string

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.unit.ramalama.models.formats.made_gguf import Entry

_MEMORY = 2**35  # bytes of some machine
_NUMBER = 8  # bytes of the largest
_NUMBERS = (
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.sliding_window",
    "embedding_length",
    "vocab_size",
    "context_length",
)
_EVERY_LAYER = 128
_SIZE_FIELD = 4  # a target's first bytes are the size that is announced beside the header


def gguf_header(data: bytes) -> None:
    """Read a GGUF header, and estimate the memory of what it describes."""
    size, content = _split(data)
    with suppress(ModelUnsupported):
        metadata = parse_metadata(content, name="fuzz.gguf", size=size + len(content))
        assert metadata.size <= len(content)
        assert all(each.offset <= size + len(content) for each in metadata.tensors)
        assert metadata.parameters >= 0
        shape = ModelShape.of(metadata, weights=len(content))
        if shape is not None:
            _check_estimates(shape, weights=len(content))


def model_memory(data: bytes) -> None:
    """Estimate the memory of a model whose numbers are of any type and size."""
    places = range(0, len(data) - _NUMBER, 1 + _NUMBER)
    entries = [_entry(data[place], data[place + 1 : place + 1 + _NUMBER]) for place in places]
    content = llama(layers=2, instead=dict(zip(_NUMBERS, entries, strict=False)))
    metadata = parse_metadata(content, name="fuzz.gguf")
    if shape := ModelShape.of(metadata, weights=len(content)):
        _check_estimates(shape, weights=len(content))


def _entry(choice: int, value: bytes) -> Entry:
    """Make a value of one of GGUF's types, or one for each of two layers."""
    kind = tuple(FORMS)[choice % len(FORMS)]
    element = value[: struct.calcsize(FORMS[kind])]
    return (kind, element) if choice < _EVERY_LAYER else array(kind, [element] * 2)


def _check_estimates(shape: ModelShape, *, weights: int) -> None:
    """Nothing takes less than nothing, and a larger context takes no less."""
    small, large = shape.need(4096), shape.need(8192)
    assert small.weights == weights
    assert min(small.kv_cache, small.computing) >= 0
    assert weights <= small.total <= large.total
    context = shape.largest_context(_MEMORY)
    assert 0 <= context <= (shape.trained_context or 0)
    assert context == 0 or shape.need(context).total <= _MEMORY


def safetensors_header(data: bytes) -> None:
    """Read the JSON at the beginning of a safetensors file."""
    size, content = _split(data)
    with suppress(ModelUnsupported):
        header = SafetensorsHeader.parse(content, name="fuzz.safetensors", data_size=size)
        assert all(0 <= each.begin <= each.end <= size for each in header.tensors.values())


def memory_seeds() -> tuple[bytes, ...]:
    """Return numbers of things, and none."""
    return (bytes([4, *struct.pack("<Q", 3)]) * len(_NUMBERS), bytes(9 * len(_NUMBERS)))


def gguf_seeds() -> tuple[bytes, ...]:
    """Return headers of every kind."""
    return _with_sizes(_ggufs())


def safetensors_seeds() -> tuple[bytes, ...]:
    """Return headers of every kind."""
    return _with_sizes(_safetensors())


def _with_sizes(contents: Sequence[bytes]) -> tuple[bytes, ...]:
    return tuple(struct.pack("<I", size) + content for content in contents for size in (0, 4096))


def _split(data: bytes) -> tuple[int, bytes]:
    return int.from_bytes(data[:_SIZE_FIELD], "little"), data[_SIZE_FIELD:]


def _ggufs() -> tuple[bytes, ...]:
    kinds = {f"k{kind}": scalar(kind, 1) for kind in (0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12)}
    keys = {
        **kinds,
        "text": gguf_string("Granité"),
        "numbers": array(4, [struct.pack("<I", number) for number in range(3)]),
        "long": array(0, [b"\0"] * 4097),
        "texts": array(STRING, [text("en"), text("de")]),
        "vocabulary": array(STRING, [text("a")] * 257),
        "nested": array(ARRAY, [array(0, [b"\1"])[1]]),
    }
    return (
        gguf({}),
        gguf({"big": scalar(4, 1, ">")}, [tensor("t", (3, 4), order=">")], order=">"),
        gguf(keys, [tensor("token_embd.weight", (3, 4)), tensor("norm", (4,), 32)]),
        llama(layers=2),
        llama(architecture="gemma3", layers=2, kv_heads=(1, 0), head_size=256, window=512),
    )


def _safetensors() -> tuple[bytes, ...]:
    weights = {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}
    whole = {"__metadata__": {"format": "pt"}, "t": weights, "é": {**weights, "shape": [0]}}
    return (b"{}", b"[[]]", json.dumps({"t": weights}).encode(), json.dumps(whole).encode())


TARGETS: Mapping[str, Target] = {
    "gguf": Target(run=gguf_header, seeds=gguf_seeds, short=10_000),
    "memory": Target(run=model_memory, seeds=memory_seeds, short=3000),
    "safetensors": Target(
        run=safetensors_header, seeds=safetensors_seeds, has_json=True, short=10_000
    ),
}
