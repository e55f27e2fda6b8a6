"""What is fuzzed: each target takes any bytes, and raises only where something is wrong with us.

A refusal (`ModelUnsupported`) is what bytes of a stranger's deserve; anything else that is raised,
a wait of seconds, or memory by the gigabyte is a defect.
"""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.gguf_metadata import parse_metadata
from ramalama.models.formats.safetensors import SafetensorsHeader
from ramalama.planning.memory.estimate import ModelShape
from tests.unit.ramalama.models.formats.made_gguf import (
    ARRAY,
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
    from collections.abc import Callable, Mapping

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
            assert shape.need(4096).total >= len(content)
            assert shape.largest_context(2**35) >= 0


def safetensors_header(data: bytes) -> None:
    """Read the JSON at the beginning of a safetensors file."""
    size, content = _split(data)
    with suppress(ModelUnsupported):
        header = SafetensorsHeader.parse(content, name="fuzz.safetensors", data_size=size)
        assert all(0 <= each.begin <= each.end <= size for each in header.tensors.values())


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "gguf": gguf_header,
    "safetensors": safetensors_header,
}


def seeds(name: str) -> tuple[bytes, ...]:
    """Return inputs from which a fuzzer of the target *name* finds its way to all others."""
    contents = _safetensors() if name == "safetensors" else _ggufs()
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
