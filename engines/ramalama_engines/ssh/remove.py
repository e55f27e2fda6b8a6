"""Remove a directory of a host with all its contents."""

from __future__ import annotations

import contextlib
import stat
from typing import TYPE_CHECKING, Final

import asyncssh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_MOST_NAMES: Final = 100_000  # in a directory
_MOST_DIRECTORIES: Final = 100_000
_MISSING: Final = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)


async def names_in(
    sftp: asyncssh.SFTPClient, directory: str
) -> AsyncIterator[tuple[str, asyncssh.SFTPAttrs]]:
    """Yield the names in *directory* and what they are, without "." and "..".

    Raises:
        SFTPError: the host refuses, or says what no file system has.
    """
    count = 0
    async for entry in sftp.scandir(directory):
        name = entry.filename if isinstance(entry.filename, str) else entry.filename.decode()
        if name in (".", ".."):
            continue
        count += 1
        if not name or "/" in name or "\0" in name or count > _MOST_NAMES:
            msg = "the host names files that no directory has"
            raise asyncssh.SFTPBadMessage(msg)
        yield name, entry.attrs


async def remove_tree(sftp: asyncssh.SFTPClient, path: str) -> None:
    """Remove *path* with all its contents, without following links.

    Raises:
        SFTPError: the host refuses.
    """
    with contextlib.suppress(*_MISSING):
        if not _is_directory(await sftp.lstat(path)):
            await sftp.remove(path)
            return
        directories = [path]
        for _ in range(_MOST_DIRECTORIES):
            if not directories:
                return
            below = await _empty(sftp, directories[-1])
            if below:
                directories += below
            else:
                await sftp.rmdir(directories.pop())
        msg = "too many directories"
        raise asyncssh.SFTPFailure(msg)


async def _empty(sftp: asyncssh.SFTPClient, directory: str) -> list[str]:
    """Remove the files of a directory; return the directories in it."""
    below: list[str] = []
    async for name, attributes in names_in(sftp, directory):
        path = f"{directory}/{name}"
        if _is_directory(attributes):
            below.append(path)
        else:
            with contextlib.suppress(*_MISSING):
                await sftp.remove(path)
    return below


def _is_directory(found: asyncssh.SFTPAttrs) -> bool:
    return stat.S_ISDIR(found.permissions or 0)
