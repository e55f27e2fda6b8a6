"""GGUF files made up for tests, in either byte order."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Order = Literal["<", ">"]
Entry = tuple[int, bytes]

STRING = 8
ARRAY = 9
FORMS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def text(value: str | bytes, order: Order = "<") -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return struct.pack(f"{order}Q", len(content)) + content


def scalar(kind: int, value: float, order: Order = "<") -> Entry:
    return kind, struct.pack(order + FORMS[kind], value)


def string(value: str | bytes, order: Order = "<") -> Entry:
    return STRING, text(value, order)


def array(kind: int, elements: Sequence[bytes], order: Order = "<") -> Entry:
    return ARRAY, struct.pack(f"{order}IQ", kind, len(elements)) + b"".join(elements)


def tensor(
    name: str, dimensions: Sequence[int], offset: int = 0, order: Order = "<", *, kind: int = 0
) -> bytes:
    sizes = struct.pack(f"{order}{len(dimensions)}Q", *dimensions)
    rank = struct.pack(f"{order}I", len(dimensions))
    return text(name, order) + rank + sizes + struct.pack(f"{order}IQ", kind, offset)


def gguf(
    keys: Mapping[str, Entry],
    tensors: Sequence[bytes] = (),
    *,
    order: Order = "<",
    key_count: int | None = None,
    tensor_count: int | None = None,
) -> bytes:
    """Write a header; the counts may lie."""
    head = struct.pack(
        f"{order}4sIQQ",
        b"GGUF",
        3,
        len(tensors) if tensor_count is None else tensor_count,
        len(keys) if key_count is None else key_count,
    )
    body = (
        text(name, order) + struct.pack(f"{order}I", kind) + value
        for name, (kind, value) in keys.items()
    )
    return head + b"".join(body) + b"".join(tensors)


def llama(  # noqa: PLR0913 (what decides how much memory a model takes)
    *,
    architecture: str = "llama",
    layers: int = 30,
    width: int = 576,
    heads: int = 9,
    kv_heads: int | Sequence[int] = 3,
    head_size: int | None = None,
    window: int | None = None,
    vocabulary: int = 49152,
    context: int = 8192,
    instead: Mapping[str, Entry] | None = None,
) -> bytes:
    """Write the header of a language model; by default of the size of SmolLM2-135M.

    *instead* are values for the architecture's keys, of whatever type.
    """
    numbers: dict[str, int | None] = {
        "block_count": layers,
        "embedding_length": width,
        "context_length": context,
        "attention.head_count": heads,
        "attention.key_length": head_size,
        "attention.value_length": head_size,
        "attention.sliding_window": window,
        "vocab_size": vocabulary,
    }
    keys = {
        f"{architecture}.{key}": scalar(4, value)
        for key, value in numbers.items()
        if value is not None
    }
    if isinstance(kv_heads, int):
        keys[f"{architecture}.attention.head_count_kv"] = scalar(4, kv_heads)
    else:
        elements = [struct.pack("<I", count) for count in kv_heads]
        keys[f"{architecture}.attention.head_count_kv"] = array(4, elements)
    keys |= {f"{architecture}.{key}": entry for key, entry in (instead or {}).items()}
    return gguf({"general.architecture": string(architecture), **keys})
