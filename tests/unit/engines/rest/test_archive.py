"""What engines send of files in containers, which may be hostile."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from ramalama_engines.errors import EngineError
from ramalama_engines.rest.archive import first_file, path_stat
from ramalama_engines.spec import ContainerFile

if TYPE_CHECKING:
    from collections.abc import Iterator

DIRECTORY, LINK, DEVICE, PIPE, SOCKET = 1 << 31, 1 << 27, 1 << 26 | 1 << 21, 1 << 25, 1 << 24


def stat(**members: Any) -> str:  # noqa: ANN401 (JSON)
    return base64.b64encode(json.dumps(members).encode()).decode()


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def special(kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo("x")
    member.type, member.linkname = kind, "/etc/passwd"
    return member


def read(*chunks: bytes, most: int = 1 << 20) -> bytes:
    return b"".join(first_file(chunks, "/x", most=most, engine="docker"))


@pytest.mark.parametrize(
    ("header", "file"),
    [
        (stat(size=5, mode=0o644), ContainerFile(size=5, mode=0o644, is_directory=False)),
        (
            stat(size=0, mode=DIRECTORY | 0o755),
            ContainerFile(size=0, mode=0o755, is_directory=True),
        ),
    ],
)
def test_a_path_is_described_by_a_header(header: str, file: ContainerFile) -> None:
    assert path_stat(header, engine="docker") == file


@pytest.mark.parametrize("kind", [LINK, DEVICE, PIPE, SOCKET])
def test_what_is_neither_a_file_nor_a_directory_is_told_apart(kind: int) -> None:
    found = path_stat(stat(size=11, mode=kind | 0o777), engine="podman")

    assert (found.is_special, found.is_directory, found.mode) == (True, False, 0o777)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "no base64!",
        base64.b64encode(b"[1]").decode(),
        base64.b64encode(b"[" * 30_000).decode(),
        stat(size=5),
        stat(size=-1, mode=0),
        stat(size="5", mode=0),
        stat(size=5, mode=None),
        stat(size=1e400, mode=0),
    ],
)
def test_a_malformed_header_is_an_error_of_ours(header: str) -> None:
    with pytest.raises(EngineError, match="does not describe a file"):
        path_stat(header, engine="docker")


def test_the_first_file_of_an_archive_is_read_in_pieces_of_any_size() -> None:
    archive = packed((tarfile.TarInfo("x"), b"abc" * 1000), (tarfile.TarInfo("y"), b"other"))

    assert read(archive) == b"abc" * 1000
    assert read(*(archive[i : i + 1] for i in range(len(archive)))) == b"abc" * 1000
    assert read(archive, most=4) == b"abca"
    assert read(archive, most=0) == b""


def test_a_large_file_is_read_as_it_comes() -> None:
    taken = 0

    def archive() -> Iterator[bytes]:
        nonlocal taken
        member = tarfile.TarInfo("x")
        member.size = 1 << 30
        yield member.tobuf()
        while True:
            taken += 65536
            yield bytes(65536)

    blocks = first_file(archive(), "/x", most=1 << 30, engine="docker")

    assert len(next(blocks)) == 1 << 20
    assert taken < 4 << 20


@pytest.mark.parametrize(
    "kind", [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_only_a_regular_file_is_read(kind: bytes) -> None:
    with pytest.raises(EngineError, match="/x is not a regular file"):
        read(packed((special(kind), b"")))


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"\0" * 1024,
        b"rubbish" * 1000,
        packed((tarfile.TarInfo("x"), b"abc" * 1000))[:1024],
        b"\x1f\x8b" + b"\0" * 1000,
    ],
    ids=["nothing", "no member", "rubbish", "cut off", "compressed"],
)
def test_what_is_no_archive_is_an_error_of_ours(archive: bytes) -> None:
    with pytest.raises(EngineError, match="/x"):
        read(archive)


def test_an_endless_header_is_given_up() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        member = tarfile.TarInfo("x")
        member.type, member.size = tarfile.XHDTYPE, 1 << 32
        yield member.tobuf(tarfile.GNU_FORMAT)
        while True:
            taken += 65536
            yield b"x" * 65536

    with pytest.raises(EngineError):
        list(first_file(endless(), "/x", most=100, engine="docker"))
    assert taken < 1 << 20


def test_headers_in_headers_are_given_up() -> None:
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE

    with pytest.raises(EngineError):
        list(first_file([header.tobuf()] * 100_000, "/x", most=1 << 30, engine="docker"))
