"""The first bytes of a model file."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import ModelUnsupported, WrongEndianness
from ramalama.models.formats.gguf import GGUFHeader, check_header

if TYPE_CHECKING:
    from pathlib import Path

GGUF = struct.pack("<4sIQQ", b"GGUF", 3, 272, 30)
BIG = struct.pack(">4sIQQ", b"GGUF", 3, 272, 30)


def parse(head: bytes) -> GGUFHeader:
    return GGUFHeader.parse(head, name="granite.gguf")


def test_the_fixed_part_is_read() -> None:
    assert parse(GGUF) == GGUFHeader(version=3, byte_order="little", tensor_count=272)


def test_a_big_endian_file_is_known_by_its_version() -> None:
    assert parse(BIG) == GGUFHeader(version=3, byte_order="big", tensor_count=272)


@pytest.mark.parametrize("version", [2, 3, 4])
def test_newer_versions_are_the_servers_business(version: int) -> None:
    assert parse(struct.pack("<4sIQQ", b"GGUF", version, 1, 1)).version == version


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        (b"", "granite.gguf is empty"),
        (b"GGU", r"granite.gguf is not a GGUF file \(it begins with b'GGU'\)"),
        (b"PK\3\4" + bytes(20), "is a zip archive, as PyTorch writes it, and not a GGUF file"),
        (b"\n <html><body>404</body></html>", "is a web page, not a model"),
        (b"\xef\xbb\xbf<!DOCTYPE html>" + bytes(20), "is a web page, not a model"),
        (b"version https://git-lfs.github.com/spec/v1", "is a pointer of Git LFS, not the file"),
        (b"version 1.0 of something", r"is not a GGUF file \(it begins with b'vers'\)"),
        (b"\x1f\x8b\x08" + bytes(20), "is compressed with gzip, and not a GGUF file"),
        (b"GGUF", "granite.gguf is cut off after 4 bytes"),
        (GGUF[:-1], "granite.gguf is cut off after 23 bytes"),
        (struct.pack("<4sIQQ", b"GGUF", 1, 1, 1), "version 1, which no server reads"),
        (bytes(24), "is not a GGUF file"),
    ],
)
def test_what_is_no_model_is_refused_with_the_reason(head: bytes, complaint: str) -> None:
    with pytest.raises(ModelUnsupported, match=complaint):
        parse(head)


def test_version_zero_is_no_version_in_either_byte_order() -> None:
    with pytest.raises(ModelUnsupported, match="version 0"):
        parse(struct.pack("<4sIQQ", b"GGUF", 0, 1, 1))


def test_a_file_for_the_other_byte_order_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "granite.gguf"
    model.write_bytes(BIG if sys.byteorder == "little" else GGUF)

    with pytest.raises(WrongEndianness, match=r"-endian model; this machine is \w+-endian"):
        check_header(model)
