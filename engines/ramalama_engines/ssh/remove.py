"""Remove a directory of a host that a hostile program has filled.

A server can write to its directory. So what is deeper than two levels is first moved up, or its
path would be too long in the end, and directories that deny access are made accessible.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Final

import asyncssh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_MOST_NAMES: Final = 100_000  # in a directory
_MISSING: Final = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_ALL: Final = 0o700


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

    What cannot be removed is passed over until the end. No process may have the directory any more.

    Raises:
        SFTPError: the host refuses.
    """
    with contextlib.suppress(*_MISSING):
        if not _is_directory(await sftp.lstat(path)):
            await sftp.remove(path)
            return
        await _make_accessible(sftp, path)
        stuck: set[str] = set()
        while names := {
            name: attributes async for name, attributes in names_in(sftp, path) if name not in stuck
        }:
            for name, attributes in names.items():
                try:
                    await _remove(sftp, path, name, attributes)
                except asyncssh.SFTPError:
                    stuck.add(name)
        await sftp.rmdir(path)


async def _remove(
    sftp: asyncssh.SFTPClient, top: str, name: str, attributes: asyncssh.SFTPAttrs
) -> None:
    """Remove a file, or a directory after its own directories were moved to *top*."""
    path = f"{top}/{name}"
    with contextlib.suppress(*_MISSING):
        if not _is_directory(attributes):
            await sftp.remove(path)
            return
        await _make_accessible(sftp, path)
        async for inner, inside in names_in(sftp, path):
            if _is_directory(inside):
                await _make_accessible(sftp, f"{path}/{inner}")  # or it cannot be moved
                await sftp.rename(f"{path}/{inner}", f"{top}/{os.urandom(8).hex()}")
            else:
                await sftp.remove(f"{path}/{inner}")
        await sftp.rmdir(path)


async def _make_accessible(sftp: asyncssh.SFTPClient, directory: str) -> None:
    with contextlib.suppress(asyncssh.SFTPError):
        await sftp.setstat(directory, asyncssh.SFTPAttrs(permissions=_ALL))


def _is_directory(found: asyncssh.SFTPAttrs) -> bool:
    return stat.S_ISDIR(found.permissions or 0)
