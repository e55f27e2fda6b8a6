"""Read untrusted tar archives as a stream; POSIX.1-2001 pax, ustar, and GNU's long names.

The standard library's reader accepts headers of any length, in time proportional to the square of
the length. Here headers have a size limit, and types that a file of a model cannot have (sparse
files, devices) are reported as `MemberType.OTHER`.

offset  size  field                    offset  size  field
0       100   name                     156     1     type
124     12    size, octal or base 256  157     100   target of a link
148     8     checksum                 257     6     "ustar", then NUL: POSIX, or space: GNU
                                       345     155   what precedes the name (POSIX alone)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 512
_READ = 1024 * 1024
_LARGEST_HEADER = 1024 * 1024  # of pax records, or of a long name
_LONGEST_NAME = 4096  # bytes; PATH_MAX of Linux
_LARGEST_MEMBER = 2**50
_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_TARGET = b"x", b"g", b"L", b"K"
_WITHOUT_CONTENT = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, directories, pipes
_RECORD = rb"(?s)(?P<length>[1-9][0-9]{0,6}) (?P<key>[^=\n]+)="


class ByteStream(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most *size* bytes; none at the end."""
        ...


class TarError(Exception):
    """It is not a tar archive, or has unreasonable content."""


class MemberType(Enum):
    """The type of a member, as far as it matters."""

    FILE = auto()
    HARD_LINK = auto()
    SYMLINK = auto()
    DIRECTORY = auto()
    OTHER = auto()


_TYPES = {
    b"0": MemberType.FILE,
    b"\0": MemberType.FILE,
    b"7": MemberType.FILE,
    b"1": MemberType.HARD_LINK,
    b"2": MemberType.SYMLINK,
    b"5": MemberType.DIRECTORY,
}


@dataclass(slots=True, kw_only=True)
class Member:
    """One member of an archive.

    Attributes:
        name: as written in the archive; not checked, but at most `PATH_MAX` long. Bytes that are
            not UTF-8 become surrogates.
        target: the target of a link.
        size: of the content, in bytes.
    """

    name: str
    type: MemberType
    target: str
    size: int
    _stream: ByteStream = field(repr=False)
    _left: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._left = self.size

    def blocks(self) -> Iterator[bytes]:
        """Yield the content, once, before the next member is requested.

        Raises:
            TarError: the archive ends within it.
        """
        while self._left:
            block = self._stream.read(min(_READ, self._left))
            if not block:
                msg = "it ends within a file"
                raise TarError(msg)
            self._left -= len(block)
            yield block


@dataclass(slots=True)
class _Overrides:
    """The values of extra headers for the next member."""

    name: str | None = None
    target: str | None = None
    size: int | None = None
    sparse: bool = False


def read_members(stream: ByteStream) -> Iterator[Member]:
    """Yield the members of the archive; content that is not read is skipped.

    Raises:
        TarError: the archive is not valid.
    """
    overrides = _Overrides()
    while header := _read_header(stream):
        kind = header[156:157]
        size = _number(header[124:136])
        if kind in (_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_TARGET):
            _note(overrides, kind, _read_extra(stream, size))
            continue
        member = _member(stream, header, size, overrides)
        overrides = _Overrides()
        yield member
        for _ in member.blocks():
            pass
        _skip_padding(stream, member.size)


def _read_header(stream: ByteStream) -> bytes:
    """Return the next header; nothing at the end, which is a block of zeros."""
    header = _read_exactly(stream, _BLOCK, at_the_end=b"")
    if not header.strip(b"\0"):
        return b""
    checksum = _number(header[148:156])
    if checksum != sum(header[:148]) + sum(header[156:]) + 8 * ord(" "):
        msg = "it is not a tar archive, or a header in it is damaged"
        raise TarError(msg)
    return header


def _member(stream: ByteStream, header: bytes, size: int, overrides: _Overrides) -> Member:
    name = _text(header[0:100])
    if header[257:263] == b"ustar\0" and (prefix := _text(header[345:500])):
        name = f"{prefix}/{name}"
    name = name if overrides.name is None else overrides.name
    flag = header[156:157]
    kind = _TYPES.get(flag, MemberType.OTHER)
    if flag == b"\0" and name.endswith("/"):  # the oldest format writes directories so
        kind = MemberType.DIRECTORY
    target = _text(header[157:257]) if overrides.target is None else overrides.target
    size = size if overrides.size is None else overrides.size
    if flag in _WITHOUT_CONTENT or kind is MemberType.DIRECTORY:
        size = 0  # even if the header has a size
    return Member(
        name=name,
        type=MemberType.OTHER if overrides.sparse else kind,
        target=target,
        size=size,
        _stream=stream,
    )


def _note(overrides: _Overrides, kind: bytes, content: bytes) -> None:
    match kind:
        case b"L":
            overrides.name = _path(content)
        case b"K":
            overrides.target = _path(content)
        case b"x":
            _note_pax(overrides, content)
        case _:
            pass  # in the archives of images, global records are comments


def _note_pax(overrides: _Overrides, content: bytes) -> None:
    """Parse pax records, each ``LENGTH KEY=VALUE`` with a newline, all of which LENGTH counts."""
    record = re.compile(_RECORD)
    position = 0
    while position < len(content):
        match = record.match(content, position)
        end = position + int(match["length"]) if match else 0
        if match is None or not match.end() < end <= len(content):
            msg = "it has a pax header that is not valid"
            raise TarError(msg)
        value = content[match.end() : end - 1]
        match match["key"]:
            case b"path":
                overrides.name = _path(value)
            case b"linkpath":
                overrides.target = _path(value)
            case b"size":
                overrides.size = _decimal(value)
            case key:
                overrides.sparse |= key.startswith(b"GNU.sparse.")
        position = end


def _read_extra(stream: ByteStream, size: int) -> bytes:
    if size > _LARGEST_HEADER:
        msg = f"it has a header of {size} bytes"
        raise TarError(msg)
    content = _read_exactly(stream, size)
    _skip_padding(stream, size)
    return content


def _skip_padding(stream: ByteStream, size: int) -> None:
    _read_exactly(stream, -size % _BLOCK)


def _read_exactly(stream: ByteStream, size: int, *, at_the_end: bytes | None = None) -> bytes:
    """Read *size* bytes; return *at_the_end* if there are no more bytes at all."""
    content = b""
    while len(content) < size:
        block = stream.read(size - len(content))
        if not block:
            break
        content += block
    if len(content) == size:
        return content
    if content or at_the_end is None:
        msg = "it ends too early"
        raise TarError(msg)
    return at_the_end


def _text(content: bytes) -> str:
    return content.partition(b"\0")[0].decode(errors="surrogateescape")


def _path(content: bytes) -> str:
    """Read a name in an extra header; its length is limited, since an archive may have many."""
    name = content.partition(b"\0")[0]
    if len(name) > _LONGEST_NAME:
        msg = f"it has a name of {len(name)} bytes"
        raise TarError(msg)
    return _text(name)


def _decimal(content: bytes) -> int:
    if not re.fullmatch(rb"[0-9]{1,20}", content) or int(content) > _LARGEST_MEMBER:
        msg = "it has a file of an impossible size"
        raise TarError(msg)
    return int(content)


def _number(content: bytes) -> int:
    """Parse an octal number, or GNU's form for large ones: the top bit set, then base 256."""
    if content[0] == 0x80:  # noqa: PLR2004 (GNU tar; 0xff would be a negative number)
        number = int.from_bytes(content[1:], "big")
    else:
        digits = content.strip(b" \0")
        if not re.fullmatch(rb"[0-7]*", digits):
            msg = "it is not a tar archive, or a header in it is damaged"
            raise TarError(msg)
        number = int(digits or b"0", 8)
    if number > _LARGEST_MEMBER:
        msg = "it has a file of an impossible size"
        raise TarError(msg)
    return number
