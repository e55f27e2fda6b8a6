"""Tars that Python writes are read as they were meant; others do no harm."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.models.transports.oci.layers.tar import MemberType, TarError, read_members

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
LONG = "directory/" * 30 + "file"
BLOCK = 512

Read = tuple[str, MemberType, str, bytes]


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def archive(
    members: Sequence[tuple[tarfile.TarInfo, bytes]], format_: int = tarfile.PAX_FORMAT
) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format_) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def read(content: bytes) -> list[Read]:
    return [
        (found.name, found.type, found.target, b"".join(found.blocks()))
        for found in read_members(io.BytesIO(content))
    ]


@pytest.mark.parametrize("format_", FORMATS)
def test_every_type_of_member_is_read(format_: int) -> None:
    content = archive(
        [
            (member("a/", tarfile.DIRTYPE), b""),
            (member("a/file"), b"some content"),
            (member("a/empty"), b""),
            (member("a/block"), bytes(BLOCK)),
            (member("a/contiguous", tarfile.CONTTYPE), b"more"),
            (member("a/hard", tarfile.LNKTYPE, "a/file"), b""),
            (member("a/soft", tarfile.SYMTYPE, "../b"), b""),
            (member("a/null", tarfile.CHRTYPE), b""),
            (member("a/pipe", tarfile.FIFOTYPE), b""),
        ],
        format_,
    )

    found = {name.rstrip("/"): (kind, target, body) for name, kind, target, body in read(content)}

    assert found == {
        "a": (MemberType.DIRECTORY, "", b""),
        "a/file": (MemberType.FILE, "", b"some content"),
        "a/empty": (MemberType.FILE, "", b""),
        "a/block": (MemberType.FILE, "", bytes(BLOCK)),
        "a/contiguous": (MemberType.FILE, "", b"more"),
        "a/hard": (MemberType.HARD_LINK, "a/file", b""),
        "a/soft": (MemberType.SYMLINK, "../b", b""),
        "a/null": (MemberType.OTHER, "", b""),
        "a/pipe": (MemberType.OTHER, "", b""),
    }


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", [LONG, "dämon/größe.gguf", "x" * 100, f"{'d' * 140}/{'f' * 99}"])
def test_long_and_foreign_names_and_targets_are_read(format_: int, name: str) -> None:
    content = archive([(member(name, tarfile.SYMTYPE, name), b""), (member(name), b"c")], format_)

    assert read(content) == [
        (name, MemberType.SYMLINK, name, b""),
        (name, MemberType.FILE, "", b"c"),
    ]


def test_what_precedes_a_ustar_name_belongs_to_it() -> None:
    name = f"{'d' * 140}/{'f' * 99}"

    assert read(archive([(member(name), b"")], tarfile.USTAR_FORMAT))[0][0] == name


def patched(header: bytes, **fields: tuple[int, bytes]) -> bytes:
    """Overwrite parts of a header, and make its checksum right."""
    changed = bytearray(header)
    for offset, content in fields.values():
        changed[offset : offset + len(content)] = content
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed)
    return bytes(changed)


def test_a_link_has_no_content_whatever_size_is_written() -> None:
    header = member("link", tarfile.LNKTYPE, "a").tobuf()
    content = patched(header, size=(124, b"00000001000\0")) + archive([(member("b"), b"c")])

    assert read(content)[1] == ("b", MemberType.FILE, "", b"c")


def test_what_gnu_writes_in_the_place_of_a_prefix_is_none() -> None:
    header = member("name").tobuf(tarfile.GNU_FORMAT)

    assert read(patched(header, atime=(345, b"14700000000\0")))[0][0] == "name"


def test_a_file_that_is_not_read_is_skipped() -> None:
    content = archive([(member("a"), b"x" * 3_000_000), (member("b"), b"y")])

    assert [found.name for found in read_members(io.BytesIO(content))] == ["a", "b"]


def test_sizes_beyond_eight_gigabytes_are_read() -> None:
    header = member("big")
    header.size = 9 * 1024**3
    for format_ in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        content = header.tobuf(format_)

        assert next(read_members(io.BytesIO(content))).size == header.size


def test_an_archive_may_end_without_the_blocks_that_end_it() -> None:
    content = archive([(member("a"), b"c")])[: 2 * BLOCK]

    assert read(content) == [("a", MemberType.FILE, "", b"c")]


def test_a_sparse_file_is_nothing_that_we_read() -> None:
    info = member("sparse")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}

    assert read(archive([(info, b"1\n0\n")]))[0][1] is MemberType.OTHER


def test_headers_for_all_members_are_comments() -> None:
    header = tarfile.TarInfo.create_pax_global_header({"path": "evil", "comment": "hello"})

    assert read(header + archive([(member("a"), b"c")]))[0][0] == "a"


def pax(records: bytes) -> bytes:
    info = member("././@PaxHeader", tarfile.XHDTYPE)
    info.size = len(records)
    padding = bytes(-len(records) % BLOCK)
    return info.tobuf(tarfile.USTAR_FORMAT) + records + padding + archive([(member("a"), b"")])


def huge(kind: bytes) -> bytes:
    info = member("huge", kind)
    info.size = 2**33
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x", "ends too early"),
        (b"x" * BLOCK, "not a tar archive"),
        (b"x" * 20_000, "not a tar archive"),
        (archive([(member("a"), b"content")])[: BLOCK + 3], "ends within a file"),
        (archive([(member("a"), b"content")])[: BLOCK + 7], "ends too early"),
        (archive([(member("a"), b"content")])[100:], "not a tar archive"),
        (pax(b"7 a=bc\n"), None),
        (pax(b"9 path=x\n"), None),
        (pax(b"9999 path=x\n"), "pax header that is not valid"),
        (pax(b"0 path=x\n"), "pax header that is not valid"),
        (pax(b"3 path=x\n"), "pax header that is not valid"),
        (pax(b"path=x\n"), "pax header that is not valid"),
        (pax(b"11 size=-1\n"), "pax header that is not valid|impossible size"),
        (pax(b"10 size=x\n"), "impossible size"),
        (pax(b"28 size=9999999999999999999\n"), "impossible size"),
        (pax(b"4105 path=" + b"x" * 4094 + b"\n"), None),
        (pax(b"4108 path=" + b"x" * 4097 + b"\n"), "a name of 4097 bytes"),
        (pax(b"4112 linkpath=" + b"x" * 4097 + b"\n"), "a name of 4097 bytes"),
        (archive([(member("x" * 5000), b"")], tarfile.GNU_FORMAT), "a name of 5000 bytes"),
        (
            archive([(member("a", tarfile.SYMTYPE, "x" * 5000), b"")], tarfile.GNU_FORMAT),
            "a name of 5000 bytes",
        ),
        (huge(tarfile.XHDTYPE), "a header of 8589934592 bytes"),
        (huge(tarfile.GNUTYPE_LONGNAME), "a header of 8589934592 bytes"),
    ],
)
def test_what_is_no_sound_archive_is_an_error(content: bytes, reason: str | None) -> None:
    if reason is None:
        assert read(content)[0][1] is MemberType.FILE
        return
    with pytest.raises(TarError, match=reason):
        read(content)


NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300
)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=1500)), max_size=5), st.sampled_from(FORMATS))
def test_files_of_any_name_and_content_are_read_back(
    files: list[tuple[str, bytes]], format_: int
) -> None:
    files = [(name, body) for name, body in files if not name.endswith("/")]
    try:
        content = archive([(member(name), body) for name, body in files], format_)
    except ValueError:  # the oldest format has no long names
        return

    assert [(name, body) for name, _, _, body in read(content)] == files


SOUND = archive([(member(LONG), b"content"), (member("b", tarfile.SYMTYPE, "c"), b"")])


@given(st.data())
def test_no_damage_does_more_than_an_error(data: st.DataObject) -> None:
    content = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(content)))
    try:
        found = read(bytes(content[:end]))
    except TarError:
        return
    assert sum(len(body) for *_, body in found) <= end


@given(st.binary(max_size=2000))
def test_any_bytes_are_an_archive_or_an_error(content: bytes) -> None:
    try:
        read(content)
    except TarError as exc:
        assert str(exc)  # noqa: PT017 (either is right)
