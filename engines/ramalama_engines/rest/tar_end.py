"""Find the end of a tar archive that is being sent; pax(1) in POSIX, and tar(5)."""

from __future__ import annotations

import re
import tarfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLOCK: Final = 512
_SIZE, _TYPE = slice(124, 136), slice(156, 157)
_EXTENDED: Final = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_WITHOUT_CONTENT: Final = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)
_ZEROS: Final = bytes(_BLOCK)
_BINARY: Final = 0x80  # GNU tar's mark of a number that is not octal digits
_LARGE_SIZE: Final = rb"\d+ size=(\d+)\n"  # of a file that has 8 GiB or more


def without_padding(archive: Iterable[bytes]) -> Iterator[bytes]:
    """Yield *archive* only to the two blocks of zeros that end it; what is no archive, as it is.

    Podman stops reading there, and if more comes it sometimes fails with "broken pipe".
    """
    source = _Source(archive)
    large: int | None = None
    while header := source.block():
        if header == _ZEROS:
            yield header + header
            return
        yield header
        kind = header[_TYPE]
        size = 0 if kind in _WITHOUT_CONTENT else _number(header[_SIZE])
        if size is None or kind == tarfile.GNUTYPE_SPARSE:  # which has more headers
            break
        if kind in _EXTENDED:
            content = b"".join(source.content(size))
            yield content
            found = re.search(_LARGE_SIZE, content)
            large = int(found[1]) if found else None
            continue
        yield from source.content(size if large is None else large)
        large = None
    yield from source.rest()


def _number(field: bytes) -> int | None:
    if field[:1] >= bytes([_BINARY]):
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    return int(digits, 8) if re.fullmatch(rb"[0-7]+", digits) else None


class _Source:
    """The bytes of an archive, which arrive in chunks of any size."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._buffer = b""

    def block(self) -> bytes:
        """Return the next block, or what is left of the archive."""
        return b"".join(self._take(_BLOCK))

    def content(self, size: int) -> Iterator[bytes]:
        """Yield *size* bytes and what fills their last block."""
        yield from self._take(size + -size % _BLOCK)

    def rest(self) -> Iterator[bytes]:
        """Yield all that is left."""
        yield self._buffer
        yield from self._chunks

    def _take(self, left: int) -> Iterator[bytes]:
        while left:
            if not self._buffer:
                try:
                    self._buffer = next(self._chunks)
                except StopIteration:
                    return
            piece, self._buffer = self._buffer[:left], self._buffer[left:]
            left -= len(piece)
            yield piece
