"""Copy a file to a host by SFTP, many blocks at a time, from where an earlier copy has ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Final

import asyncssh
from asyncssh.constants import FXF_CREAT, FXF_WRITE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The most that sftp-server(8) takes at once; with its head it fills eight packets of ssh. 4 MiB in
# flight fill a way of 100 MB/s and 40 ms.
_BLOCK: Final = 255 << 10
_IN_FLIGHT: Final = 16
_READ: Final = _BLOCK * _IN_FLIGHT
# The last blocks of a copy that was cut may be there only in part.
SENT_AGAIN: Final = 1 << 20
_FLAGS: Final = FXF_WRITE | FXF_CREAT


async def upload(
    sftp: asyncssh.SFTPClient, source: Path, path: str, on_progress: Callable[[int], object]
) -> None:
    """Copy the file *source* to *path*, and have it written to the disk.

    *on_progress* gets the number of bytes that are there.

    Raises:
        SFTPError: the host refuses.
        OSError: the file cannot be read.
    """
    handle = await asyncio.to_thread(os.open, source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(handle).st_size
        attributes = asyncssh.SFTPAttrs(permissions=0o600)
        async with sftp.open(path, _FLAGS, attributes, encoding=None, block_size=0) as file:
            there = (await file.stat()).size or 0
            if there > size:  # of another file
                await file.truncate(0)
                there = 0
            start = max(0, there - SENT_AGAIN)
            block = min(_BLOCK, sftp.limits.max_write_len or _BLOCK)
            await _Copy(file, handle, block, on_progress).run(start, size)
            with contextlib.suppress(asyncssh.SFTPOpUnsupported):
                await file.fsync()
    finally:
        os.close(handle)


class _Copy:
    def __init__(
        self,
        file: asyncssh.SFTPClientFile,
        handle: int,
        block: int,
        on_progress: Callable[[int], object],
    ) -> None:
        self._file = file
        self._handle = handle
        self._block = block
        self._on_progress = on_progress
        self._places = asyncio.Semaphore(_IN_FLIGHT)
        self._done = 0

    async def run(self, start: int, size: int) -> None:
        self._done = start
        self._on_progress(start)
        try:
            async with asyncio.TaskGroup() as group:
                ahead = start
                while ahead < size:
                    piece = await asyncio.to_thread(os.pread, self._handle, _READ, ahead)
                    if not piece:
                        msg = "it has become shorter"
                        raise OSError(msg)
                    for at in range(0, len(piece), self._block):
                        await self._places.acquire()
                        group.create_task(self._write(piece[at : at + self._block], ahead + at))
                    ahead += len(piece)
        except ExceptionGroup as exc:
            raise exc.exceptions[0] from None

    async def _write(self, block: bytes, offset: int) -> None:
        try:
            await self._file.write(block, offset)
        finally:
            self._places.release()
        self._done += len(block)
        self._on_progress(self._done)
