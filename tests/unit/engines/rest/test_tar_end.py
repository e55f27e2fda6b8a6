"""An archive is sent to its end, and without what follows."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.rest.tar_end import without_padding

if TYPE_CHECKING:
    from collections.abc import Iterable


def packed(tar_format: int) -> bytes:
    """Return an archive with every kind of member, which ends with 10240 bytes of padding."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tar_format) as tar:
        for name, kind, content in (
            ("zeros", tarfile.REGTYPE, bytes(5000)),
            ("long/" * 30 + "näme", tarfile.REGTYPE, b"x" * 512),
            ("empty", tarfile.REGTYPE, b""),
            ("directory", tarfile.DIRTYPE, b""),
            ("link", tarfile.SYMTYPE, b""),
            ("last", tarfile.REGTYPE, bytes(1025)),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, len(content), "zeros"
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue() + bytes(10240)


def names(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getnames()


def pieces(archive: bytes, size: int) -> Iterable[bytes]:
    return (archive[at : at + size] for at in range(0, len(archive), size))


@pytest.mark.parametrize("size", [1, 100, 512, 1000, 1 << 20])
@pytest.mark.parametrize(
    "tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_padding_is_left_out_and_nothing_else(tar_format: int, size: int) -> None:
    archive = packed(tar_format)

    sent = b"".join(without_padding(pieces(archive, size)))

    assert archive.startswith(sent)
    assert names(sent) == names(archive)
    assert sent.endswith(bytes(1024))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        last = tar.getmembers()[-1]
    assert len(sent) == last.offset_data + 3 * 512 + 1024


def test_the_size_of_a_large_file_is_that_of_its_extended_header() -> None:
    member = tarfile.TarInfo("large")
    member.size = 1 << 33
    head = member.tobuf(tarfile.PAX_FORMAT)
    assert head[-512:][124:136] == b"00000000000\0"
    chunk = bytes(1 << 20)

    sent = sum(len(piece) for piece in without_padding([head, *[chunk] * 9, b"end"]))

    assert sent == len(head) + 9 * len(chunk) + 3


@pytest.mark.parametrize(
    "archive",
    [b"", b"rubbish", b"r" * 5000, packed(tarfile.PAX_FORMAT)[:3000]],
    ids=["nothing", "short", "rubbish", "cut off"],
)
def test_what_is_no_archive_is_sent_as_it_is(archive: bytes) -> None:
    assert b"".join(without_padding([archive])) == archive


def test_pieces_are_passed_on_before_the_next_is_asked_for() -> None:
    archive = packed(tarfile.PAX_FORMAT)
    asked: list[int] = []

    def source() -> Iterable[bytes]:
        for number in range(len(archive) // 512):
            asked.append(number)
            yield archive[number * 512 : number * 512 + 512]

    sending = iter(without_padding(source()))
    next(sending)

    assert asked == [0]
