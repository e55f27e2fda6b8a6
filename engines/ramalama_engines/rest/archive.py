"""Files in containers, as both engines send and receive them: in tar archives.

Source: Docker Engine API 1.41, "Archive"; Podman has the same at its own paths.
"""

from __future__ import annotations

import base64
import io
import tarfile
from typing import TYPE_CHECKING

from ramalama_engines.errors import EngineError
from ramalama_engines.rest.http import FailurePattern
from ramalama_engines.spec import ContainerFile
from ramalama_values.json import is_count, is_object, parse_json
from ramalama_values.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COPY_FAILURES = (
    FailurePattern(
        r"no space left on device|disk quota exceeded",
        EngineError,
        "the engine's disk is full; free some space there",
    ),
)

# The bits of Go's os.FileMode.
_IS_DIRECTORY = 1 << 31
# A symbolic link, a device, a pipe, a socket, a character device, or anything else.
_IS_SPECIAL = 1 << 27 | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19
_PERMISSIONS = 0o777
_BLOCK = 1 << 20
_HEAD = 65536  # more than the tar headers of one file take
_BROKEN = (tarfile.TarError, ValueError, ArithmeticError, LookupError, RecursionError)


def path_stat(header: str, *, engine: str) -> ContainerFile:
    """Read the header with which an engine describes a path.

    Raises:
        EngineError: it is malformed.
    """
    try:
        stat = parse_json(base64.b64decode(header, validate=True))
        if not is_object(stat):
            raise TypeError  # noqa: TRY301 (as for wrong members)
        mode, size = stat["mode"], stat["size"]
        if not (is_count(mode) and is_count(size)):
            raise TypeError  # noqa: TRY301
    except (ValueError, LookupError, TypeError) as exc:
        msg = f"{engine}: its answer does not describe a file"
        raise EngineError(msg, engine=engine) from exc
    return ContainerFile(
        size=size,
        mode=mode & _PERMISSIONS,
        is_directory=bool(mode & _IS_DIRECTORY),
        is_special=bool(mode & _IS_SPECIAL),
    )


def first_file(chunks: Iterable[bytes], path: str, *, most: int, engine: str) -> Iterator[bytes]:
    """Yield the first *most* bytes of the file that an archive consists of.

    Raises:
        EngineError: it is not an archive, or *path* in it is not a regular file.
    """
    shown = printable(path)
    try:
        with tarfile.open(fileobj=ChunkReader(chunks, most + _HEAD), mode="r|") as archive:
            member = archive.next()
            content = archive.extractfile(member) if member and member.isreg() else None
            if content is None:
                msg = f"{engine}: {shown} is not a regular file"
                raise EngineError(msg, engine=engine)
            while block := content.read(min(_BLOCK, most)):
                most -= len(block)
                yield block
    except _BROKEN as exc:
        msg = f"{engine}: its answer is not an archive of {shown}"
        raise EngineError(msg, engine=engine) from exc


def no_directory(directory: str, container: str, *, engine: str) -> EngineError:
    """Return the error for a *directory* that a container does not have."""
    msg = f"there is no directory {printable(directory)} in the container {container}"
    return EngineError(msg, engine=engine)


def no_file(path: str, container: str, *, engine: str) -> EngineError:
    """Return the error for a *path* that a container does not have."""
    msg = f"there is no file {printable(path)} in the container {container}"
    return EngineError(msg, engine=engine)


class ChunkReader(io.RawIOBase):
    """A stream of *chunks* that ends after *most* bytes, whatever comes."""

    def __init__(self, chunks: Iterable[bytes], most: int) -> None:
        self._chunks = iter(chunks)
        self._left = most
        self._buffer = b""

    def read(self, size: int = -1, /) -> bytes:
        """Return *size* bytes, or fewer at the end."""
        while len(self._buffer) < size and self._left > 0:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._buffer += chunk[: self._left]
            self._left -= len(chunk)
        piece, self._buffer = self._buffer[:size], self._buffer[size:]
        return piece
