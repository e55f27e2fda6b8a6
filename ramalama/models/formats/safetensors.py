"""Read the header of a safetensors file; format of the safetensors project, version 0.8.

offset  size  field
0       8     length of the header, little-endian
8       …     a JSON object: tensor name -> {"dtype", "shape", "data_offsets": [begin, end]};
              "__metadata__" -> an object of texts
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, cast

from ramalama.errors import ModelUnsupported
from ramalama_values.json import is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LENGTH_SIZE = 8
_LONGEST_HEADER = 100_000_000  # the format's own limit
_METADATA = "__metadata__"


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeTensor:
    """A tensor: *dtype* as in the file (``BF16``), *begin* and *end* in bytes of the data."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetensorsHeader:
    """The header of a safetensors file."""

    tensors: Mapping[str, SafeTensor]
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the header of the file *path*.

        Raises:
            ModelUnsupported: it is not a safetensors file, is cut off, or is corrupt.
            OSError: the file cannot be read.
        """
        with path.open("rb") as file:
            size = path.stat().st_size
            length = header_length(file.read(_LENGTH_SIZE), name=str(path), size=size)
            content = file.read(length)
        return cls.parse(content, name=str(path), data_size=size - _LENGTH_SIZE - length)

    @classmethod
    def parse(cls, content: bytes, *, name: str, data_size: int) -> Self:
        """Parse the JSON header of the file *name*; *data_size* bytes follow it.

        Raises:
            ModelUnsupported: the header is corrupt.
        """
        try:
            entries = _object(parse_json(content))
            metadata = _texts(entries.pop(_METADATA, {}))
            tensors = {key: _tensor(value, data_size) for key, value in entries.items()}
        except (ValueError, TypeError, KeyError) as exc:
            msg = f"{name} is corrupt: its safetensors header is not valid"
            raise ModelUnsupported(msg) from exc
        return cls(tensors=tensors, metadata=metadata)


def header_length(head: bytes, *, name: str, size: int | None = None) -> int:
    """Return the length of the header from the first bytes of the file *name*, of *size* bytes.

    Raises:
        ModelUnsupported: it is not a safetensors file, or is cut off.
    """
    length = int.from_bytes(head[:_LENGTH_SIZE], "little")
    longest = _LONGEST_HEADER if size is None else min(_LONGEST_HEADER, size - _LENGTH_SIZE)
    if not 2 <= length <= longest:  # noqa: PLR2004 ("{}")
        msg = f"{name} is not a safetensors file, or it is cut off"
        raise ModelUnsupported(msg)
    return length


def _object(value: object) -> dict[str, object]:
    if not is_object(value):
        raise TypeError
    return value


def _texts(value: object) -> dict[str, str]:
    return {key: str(text) for key, text in _object(value).items()}


def _tensor(value: object, data_size: int) -> SafeTensor:
    entry = _object(value)
    begin, end = _whole_numbers(entry["data_offsets"])
    if not begin <= end <= data_size:
        raise ValueError(end)
    shape = _whole_numbers(entry["shape"])
    return SafeTensor(dtype=str(entry["dtype"]), shape=shape, begin=begin, end=end)


def _whole_numbers(value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise TypeError
    numbers = cast("list[object]", value)
    return tuple(_whole_number(number) for number in numbers)


def _whole_number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError
    return value
