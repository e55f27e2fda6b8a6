"""The header of a safetensors file, written by friend or foe."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.safetensors import SafeTensor, SafetensorsHeader

if TYPE_CHECKING:
    from pathlib import Path

HEADER = {
    "__metadata__": {"format": "pt"},
    "lm_head.weight": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]},
}


def written(path: Path, header: bytes, *, length: int | None = None, data: int = 12) -> Path:
    size = len(header) if length is None else length
    path.write_bytes(size.to_bytes(8, "little") + header + bytes(data))
    return path


def test_tensors_and_metadata_are_read(tmp_path: Path) -> None:
    header = SafetensorsHeader.read(written(tmp_path / "m", json.dumps(HEADER).encode()))

    assert header.metadata == {"format": "pt"}
    assert header.tensors == {
        "lm_head.weight": SafeTensor(dtype="BF16", shape=(2, 3), begin=0, end=12)
    }


@pytest.mark.parametrize(
    ("content", "length"),
    [
        (b"", 0),
        (b"", 2**63),
        (b"{}", 1),
        (b"{}" + b" " * 50, 10**9),
        (b"<html>", 6),
        (b"[]", 2),
        (b"[" * 100000, 100000),
    ],
)
def test_what_is_no_safetensors_file_is_refused(
    tmp_path: Path, content: bytes, length: int
) -> None:
    with pytest.raises(ModelUnsupported):
        SafetensorsHeader.read(written(tmp_path / "m", content, length=length))


@pytest.mark.parametrize("size", [0, 4, 8])
def test_a_file_without_a_header_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "m").write_bytes(bytes(size))

    with pytest.raises(ModelUnsupported, match="not a safetensors file"):
        SafetensorsHeader.read(tmp_path / "m")


@pytest.mark.parametrize(
    "tensor",
    [
        "text",
        {},
        {"dtype": "F32", "shape": [1], "data_offsets": [0]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0, 13]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]},
    ],
)
def test_a_tensor_that_cannot_be_is_refused(tensor: object) -> None:
    with pytest.raises(ModelUnsupported, match="granite is corrupt"):
        SafetensorsHeader.parse(json.dumps({"t": tensor}).encode(), name="granite", data_size=12)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_value_or_a_refusal(noise: bytes) -> None:
    with suppress(ModelUnsupported):
        SafetensorsHeader.parse(noise, name="noise", data_size=10)
