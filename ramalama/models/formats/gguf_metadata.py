"""Read everything before the weights in a GGUF file; GGUF specification, version 3.

    header   see `ramalama.models.formats.gguf`
    key      name, u32 type, value                          as often as the header says
    tensor   name, u32 n, n times u64 size, u32 type, u64 offset                likewise

    name, string   u64 length, UTF-8
    array          u32 type of its elements, u64 length, elements

The file is not trusted: every length is checked against the file's size, and only what is needed is
decoded. A vocabulary has a quarter of a million strings, which are skipped.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, TypeGuard

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.gguf import GGUFHeader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from mmap import mmap
    from pathlib import Path

    from ramalama.models.formats.gguf import ByteOrder

_FIXED_SIZE = 24
_STRING = 8
_ARRAY = 9
_SCALARS: Final = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_SMALLEST_KEY = 8 + 4 + 1
_SMALLEST_TENSOR = 8 + 4 + 4 + 8
_LONGEST_NAME = 65535
_LONGEST_ARRAY = 4096  # decoded elements: enough for one per layer, not one per token
_MOST_STRINGS = 256
_MOST_LAYERS = 4096
_MOST_DIMENSIONS = 4
_LARGEST_NUMBER = 2**32 - 1  # of layers, heads, tokens; llama.cpp stores such numbers in 32 bits
_DEEPEST = 4

Scalar = int | float | bool | str


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """An array whose elements were skipped, such as a vocabulary or its scores.

    *kind* is GGUF's number of the elements' type.
    """

    kind: int
    length: int


Value = Scalar | tuple[Scalar, ...] | ArrayOf


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor: its dimensions, innermost first, GGML's number of its type, and its offset.

    *offset* is in bytes from the end of the header.
    """

    name: str
    dimensions: tuple[int, ...]
    type: int
    offset: int

    @property
    def elements(self) -> int:
        """The number of its elements."""
        product = 1
        for size in self.dimensions:
            product *= size
        return product


@dataclass(frozen=True, slots=True, kw_only=True)
class GGUFMetadata:
    """The metadata of a GGUF file.

    Attributes:
        size: of the whole header, in bytes; the weights follow.
    """

    version: int
    byte_order: ByteOrder
    keys: Mapping[str, Value]
    tensors: tuple[TensorInfo, ...]
    size: int

    @property
    def architecture(self) -> str | None:
        """``llama``, ``gemma3`` …; None in the later parts of a split model."""
        value = self.keys.get("general.architecture")
        return value if isinstance(value, str) else None

    @property
    def parameters(self) -> int:
        """How many weights this file holds."""
        return sum(tensor.elements for tensor in self.tensors)

    def number(self, key: str) -> int | None:
        """Return the number under *key*, or under the architecture's key of that name.

        The number counts something: layers, heads, tokens. None if it is missing or impossible.
        """
        value = self.keys.get(key, self.keys.get(f"{self.architecture}.{key}"))
        return value if _is_count(value) else None

    def per_layer(self, key: str, layers: int) -> tuple[int, ...]:
        """Return the architecture's *key* for each layer; some models have one number for all.

        For the numbers see `number`. The result is empty if the key is missing, or lacks some
        layers.
        """
        value = self.keys.get(f"{self.architecture}.{key}")
        values = value if isinstance(value, tuple) else (value,) * min(layers, _MOST_LAYERS)
        numbers = tuple(number for number in values[:layers] if _is_count(number))
        return numbers if len(numbers) == layers else ()


def _is_count(value: object) -> TypeGuard[int]:
    """Return whether *value* can be a number of things, whatever its GGUF type is."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_NUMBER


class HeaderCutOff(ModelUnsupported):
    """The header extends beyond the given bytes; more bytes of the file may be enough."""


def read_metadata(path: Path) -> GGUFMetadata:
    """Read the header of the file *path*.

    Raises:
        ModelUnsupported: the file is not GGUF, is cut off, or is corrupt.
        OSError: the file cannot be read.
    """
    from mmap import ACCESS_READ, mmap  # noqa: PLC0415 (few commands look so deep)

    with path.open("rb") as file:
        head = file.read(_FIXED_SIZE)
        GGUFHeader.parse(head, name=str(path))
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            return parse_metadata(content, name=str(path))


def parse_metadata(content: bytes | mmap, *, name: str, size: int | None = None) -> GGUFMetadata:
    """Read the header of *name* from *content*, which is the whole file or its beginning.

    *size* is the size of the whole file, in bytes, if *content* is only its beginning.

    Raises:
        HeaderCutOff: *content* ends within the header.
        ModelUnsupported: the file is not GGUF, or is corrupt.
    """
    header = GGUFHeader.parse(content[:_FIXED_SIZE], name=name)
    reader = _Reader(content, header.byte_order, name=name, size=size or len(content))
    key_count = reader.key_count()
    keys = dict(reader.keys(key_count))
    tensors = tuple(reader.tensors(header.tensor_count))
    return GGUFMetadata(
        version=header.version,
        byte_order=header.byte_order,
        keys=keys,
        tensors=tensors,
        size=reader.position,
    )


class _Reader:
    """Reads the header from front to back; *position* is the next byte."""

    def __init__(self, content: bytes | mmap, order: ByteOrder, *, name: str, size: int) -> None:
        self._content = content
        self._end = len(content)
        self._mark = "<" if order == "little" else ">"
        self._u32 = struct.Struct(f"{self._mark}I")
        self._u64 = struct.Struct(f"{self._mark}Q")
        self._scalars = {kind: struct.Struct(self._mark + code) for kind, code in _SCALARS.items()}
        self._name = name
        self._size = size
        self.position = _FIXED_SIZE - self._u64.size

    def key_count(self) -> int:
        return self._count(self._number(self._u64), _SMALLEST_KEY, "metadata keys")

    def keys(self, count: int) -> Iterator[tuple[str, Value]]:
        for _ in range(count):
            name = self._string(longest=_LONGEST_NAME)
            yield name, self._value(self._number(self._u32))

    def tensors(self, count: int) -> Iterator[TensorInfo]:
        for _ in range(self._count(count, _SMALLEST_TENSOR, "tensors")):
            name = self._string(longest=_LONGEST_NAME)
            rank = self._number(self._u32)
            if rank > _MOST_DIMENSIONS:
                self._refuse(f"a tensor of {rank} dimensions")
            dimensions = tuple(self._number(self._u64) for _ in range(rank))
            kind, offset = self._number(self._u32), self._number(self._u64)
            if offset > self._size:
                self._refuse(f"a tensor at byte {offset} of {self._size}")
            yield TensorInfo(name, dimensions, kind, offset)

    def _value(self, kind: int) -> Value:
        if kind == _STRING:
            return self._string(longest=self._size)
        if kind == _ARRAY:
            return self._array()
        return self._scalar(kind)

    def _scalar(self, kind: int) -> Scalar:
        if kind not in self._scalars:
            self._refuse(f"a value of type {kind}")
        form = self._scalars[kind]
        value: Scalar = form.unpack(self._take(form.size))[0]
        return value

    def _array(self, depth: int = 0) -> Value:
        kind, length = self._number(self._u32), self._number(self._u64)
        if kind == _STRING:
            return self._strings(self._count(length, self._u64.size, "strings"))
        if kind == _ARRAY:
            smallest = self._u32.size + self._u64.size
            return self._nested(self._count(length, smallest, "arrays"), depth)
        if kind not in self._scalars:
            self._refuse(f"an array of type {kind}")
        size = length * self._scalars[kind].size
        self._count(size, 1, "bytes of an array")
        if length > _LONGEST_ARRAY:
            self._move(self.position + size)
            return ArrayOf(kind, length)
        return struct.unpack(f"{self._mark}{length}{_SCALARS[kind]}", self._take(size))

    def _strings(self, length: int) -> Value:
        if length > _MOST_STRINGS:
            self._skip_strings(length)
            return ArrayOf(_STRING, length)
        return tuple(self._string(longest=self._size) for _ in range(length))

    def _nested(self, length: int, depth: int) -> ArrayOf:
        if depth == _DEEPEST:
            self._refuse("arrays within arrays within arrays")
        for _ in range(length):
            self._array(depth + 1)
        return ArrayOf(_ARRAY, length)

    def _skip_strings(self, count: int) -> None:
        # The only loop that takes time: a vocabulary has hundreds of thousands of tokens.
        unpack, content, end = self._u64.unpack_from, self._content, self._end - self._u64.size
        position = self.position
        for _ in range(count):
            if position > end:
                self._need_more()
            position += 8 + unpack(content, position)[0]
        self._move(position)

    def _string(self, *, longest: int) -> str:
        length = self._number(self._u64)
        if length > longest:
            self._refuse(f"a text of {length} bytes")
        return self._take(length).decode("utf-8", "replace")

    def _number(self, form: struct.Struct) -> int:
        value: int = form.unpack(self._take(form.size))[0]
        return value

    def _take(self, length: int) -> bytes:
        start = self.position
        self._move(start + length)
        return self._content[start : start + length]

    def _move(self, position: int) -> None:
        if position > self._end:
            self._need_more()
        self.position = position

    def _count(self, count: int, smallest: int, what: str) -> int:
        """Return *count*; reject a number of things that cannot all be in the file."""
        if count * smallest > self._size:
            self._refuse(f"{count} {what} in {self._size} bytes")
        return count

    def _refuse(self, what: str) -> NoReturn:
        msg = f"{self._name} is corrupt: its header announces {what}"
        raise ModelUnsupported(msg)

    def _need_more(self) -> NoReturn:
        msg = f"{self._name} is cut off within its header"
        raise HeaderCutOff(msg)
