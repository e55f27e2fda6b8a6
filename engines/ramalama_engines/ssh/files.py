"""Files of a host by SFTP."""

from __future__ import annotations

import asyncio
import contextlib
import stat
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import asyncssh
from asyncssh.constants import FXF_CREAT, FXF_EXCL, FXF_READ, FXF_WRITE

from ramalama_engines.errors import EngineUnavailable, RemoteFileError
from ramalama_engines.route import PROTECTED, RemoteFile
from ramalama_engines.ssh.remove import names_in, remove_tree
from ramalama_engines.ssh.upload import upload
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
    from pathlib import Path

    from ramalama_engines.ssh.link import Link
    from ramalama_engines.ssh.loop_thread import Caller

T = TypeVar("T")

_PATIENCE: Final = 60  # seconds for one of the methods; a busy disk takes its time
_UPLOAD_PATIENCE: Final = 600  # seconds for the next block, or until all are on the disk
_LONGEST: Final = 300  # characters of what the host says
_DEEPEST: Final = 100  # directories
_NEARLY_NOTHING: Final = 1 << 20  # bytes: a file system with less is full

_MISSING: Final = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_DENIED: Final = (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect)
_FULL: Final = (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded)
_LOST: Final = (
    asyncssh.SFTPNoConnection,
    asyncssh.SFTPConnectionLost,
    asyncssh.ConnectionLost,
    ConnectionError,
)


class _Call(Protocol):
    def __call__(self, work: Callable[[Link, Caller], Coroutine[None, None, T]]) -> T: ...


class SshFiles:
    """The `RemoteFiles` of the host *name*; *call* runs a coroutine with its connection."""

    def __init__(self, name: str, call: _Call) -> None:
        self._name = name
        self._call = call

    def home(self) -> str:
        """Return the user's home directory."""
        return self._do(_home, "the home directory")

    def find(self, path: str) -> RemoteFile | None:
        """Return what *path* is, without following a link at its end; None if there is nothing."""
        return self._do(lambda sftp: _find(sftp, path), path)

    def find_all(self, paths: Sequence[str]) -> Sequence[RemoteFile | None]:
        """Return what each of *paths* is, as `find` does; all are asked for at once."""

        async def find(sftp: asyncssh.SFTPClient) -> Sequence[RemoteFile | None]:
            return await asyncio.gather(*(_find(sftp, path) for path in paths))

        return self._do(find, paths[0] if paths else "")

    def listing(self, directory: str) -> Mapping[str, RemoteFile]:
        """Return what is in *directory*, by name, without "." and ".."."""

        async def listing(sftp: asyncssh.SFTPClient) -> Mapping[str, RemoteFile]:
            return {name: _remote_file(found) async for name, found in names_in(sftp, directory)}

        return self._do(listing, directory)

    def read(self, path: str, *, most: int) -> bytes:
        """Return the content of a file, at most its first *most* bytes."""

        async def read(sftp: asyncssh.SFTPClient) -> bytes:
            async with sftp.open(path, FXF_READ, encoding=None) as file:
                content: Any = await file.read(most, 0)  # bytes, since there is no encoding
                return bytes(content[:most])

        return self._do(read, path)

    def write(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        """Create the file *path*, which must not exist."""
        flags = FXF_WRITE | FXF_CREAT | FXF_EXCL

        async def write(sftp: asyncssh.SFTPClient) -> None:
            attributes = asyncssh.SFTPAttrs(permissions=mode)
            async with sftp.open(path, flags, attributes, encoding=None) as file:
                await file.write(content, 0)

        self._do(write, path)

    def upload(
        self,
        source: Path,
        path: str,
        *,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        """Copy the file *source* to *path*; go on with what an earlier call has left there.

        At the end its bytes are on the disk. *on_progress* is called in this thread with the number
        of bytes that are there so far; an exception raised by it ends the copy, and what is there
        stays.
        """

        async def copy(link: Link, caller: Caller) -> None:
            def tell(done: int) -> None:
                limit.extend()
                if on_progress is not None:
                    caller.tell(partial(on_progress, done))

            def work(sftp: asyncssh.SFTPClient) -> Coroutine[None, None, None]:
                return upload(sftp, source, path, tell)

            limit = _Limit(_UPLOAD_PATIENCE)
            await self._run(work, path, limit, link, caller)

        self._call(copy)

    def make_directory(self, path: str, *, mode: int = 0o700) -> None:
        """Create *path* with its parents; it may exist already."""
        self._do(lambda sftp: _make_directory(sftp, path, mode), path)

    def rename(self, path: str, target: str) -> None:
        """Give *path* the name *target*, in place of what has it."""

        async def rename(sftp: asyncssh.SFTPClient) -> None:
            try:
                await sftp.posix_rename(path, target)
            except asyncssh.SFTPOpUnsupported:
                with contextlib.suppress(*_MISSING):
                    await sftp.remove(target)
                await sftp.rename(path, target)

        self._do(rename, path)

    def protect(self, path: str) -> None:
        """Set the mode of a file to `PROTECTED`."""
        attributes = asyncssh.SFTPAttrs(permissions=PROTECTED)
        self._do(lambda sftp: sftp.setstat(path, attributes), path)

    def touch(self, path: str) -> None:
        """Create the file *path*, or set its time to now by the clock of its host."""
        flags = FXF_WRITE | FXF_CREAT

        async def touch(sftp: asyncssh.SFTPClient) -> None:
            attributes = asyncssh.SFTPAttrs(permissions=0o600)
            async with sftp.open(path, flags, attributes, encoding=None) as file:
                # ftruncate(2) sets the time, even to the size that the file has.
                await file.truncate((await file.stat()).size or 0)

        self._do(touch, path)

    def remove(self, path: str) -> None:
        """Remove a file, or a directory with all its contents; it need not exist."""
        self._do(lambda sftp: remove_tree(sftp, path), path)

    def free_space(self, path: str) -> int | None:
        """Return the bytes that this user may still write; None if the host does not tell."""
        return self._do(lambda sftp: _free_space(sftp, path), path)

    def _do(self, work: Callable[[asyncssh.SFTPClient], Coroutine[None, None, T]], path: str) -> T:
        return self._call(
            lambda link, caller: self._run(work, path, _Limit(_PATIENCE), link, caller)
        )

    async def _run(
        self,
        work: Callable[[asyncssh.SFTPClient], Coroutine[None, None, T]],
        path: str,
        limit: _Limit,
        link: Link,
        caller: Caller,
    ) -> T:
        if (sftp := await link.sftp(caller.ask)) is None:
            msg = f"{self._name}: its ssh service has no SFTP"
            raise RemoteFileError(msg)
        with self._explained(path, limit):
            try:
                return await limit.hold(work(sftp))
            except _LOST:
                await link.renew_sftp()
                raise
            except asyncssh.SFTPFailure:
                await _raise_if_full(sftp, path)
                raise

    @contextlib.contextmanager
    def _explained(self, path: str, limit: _Limit) -> Generator[None]:
        shown = f"{one_line(path)} on {self._name}"
        try:
            yield
        except _LOST as exc:
            msg = f"ssh to {self._name}: the connection was lost"
            raise EngineUnavailable(msg, hint="is the host still up?") from exc
        except _MISSING as exc:
            msg = f"{shown}: no such file or directory"
            raise RemoteFileError(msg, missing=True) from exc
        except _DENIED as exc:
            msg = f"{shown}: permission denied"
            raise RemoteFileError(msg, denied=True) from exc
        except _FULL as exc:
            msg = f"{shown}: no space left on its disk"
            raise RemoteFileError(msg, full=True) from exc
        except (asyncssh.Error, UnicodeError, ValueError) as exc:
            reason = exc.reason if isinstance(exc, asyncssh.Error) else str(exc)
            msg = f"{shown}: {one_line(reason, longest=_LONGEST)}"
            raise RemoteFileError(msg) from exc
        except TimeoutError as exc:
            msg = f"{shown}: the host has not done it within {limit.seconds:g} seconds"
            raise EngineUnavailable(msg) from exc


class _Limit:
    """The time in which a host must do something, or the next step of it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.extend()

    def extend(self) -> None:
        """Begin the time anew."""
        self._ends = time.monotonic() + self.seconds

    async def hold(self, work: Coroutine[None, None, T]) -> T:
        """Return the result of *work*.

        What is cancelled asks the host to close a file, and so is not waited for.

        Raises:
            TimeoutError: the time is over.
        """
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                left = self._ends - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                await asyncio.wait({task}, timeout=left)
            return task.result()
        finally:
            task.cancel()


async def _home(sftp: asyncssh.SFTPClient) -> str:
    home = await sftp.realpath(".")
    if not home.startswith("/") or not home.isprintable():
        msg = f"the host names no directory, but {home[:_LONGEST]}"
        raise asyncssh.SFTPBadMessage(msg)
    return home


async def _find(sftp: asyncssh.SFTPClient, path: str) -> RemoteFile | None:
    with contextlib.suppress(*_MISSING):
        return _remote_file(await sftp.lstat(path))
    return None


def _remote_file(found: asyncssh.SFTPAttrs) -> RemoteFile:
    mode = found.permissions or 0
    return RemoteFile(
        size=found.size or 0,
        modified=float(found.mtime or 0),
        uid=-1 if found.uid is None else found.uid,
        gid=-1 if found.gid is None else found.gid,
        mode=stat.S_IMODE(mode),
        is_directory=stat.S_ISDIR(mode),
        is_link=stat.S_ISLNK(mode),
    )


async def _make_directory(sftp: asyncssh.SFTPClient, path: str, mode: int) -> None:
    """Create a directory, and first those above it that are missing."""
    missing = [path]
    while True:
        try:
            await _make_one(sftp, missing[-1], mode)
            break
        except _MISSING:
            above = missing[-1].rstrip("/").rpartition("/")[0]
            if not above or len(missing) > _DEEPEST:
                raise
            missing.append(above)
    for directory in reversed(missing[:-1]):
        await _make_one(sftp, directory, mode)


async def _make_one(sftp: asyncssh.SFTPClient, directory: str, mode: int) -> None:
    try:
        await sftp.mkdir(directory, asyncssh.SFTPAttrs(permissions=mode))
    except _MISSING:
        raise
    except asyncssh.SFTPError:
        if not await sftp.isdir(directory):
            raise


async def _free_space(sftp: asyncssh.SFTPClient, path: str) -> int | None:
    try:
        found = await sftp.statvfs(path)
    except asyncssh.SFTPOpUnsupported:
        return None
    return found.bavail * found.frsize


async def _raise_if_full(sftp: asyncssh.SFTPClient, path: str) -> None:
    """Raise the error that SFTP 3 has no code for, if the disk that *path* is on is full."""
    try:
        space = await _free_space(sftp, path.rpartition("/")[0] or "/")
    except asyncssh.Error:
        return
    if space is not None and space < _NEARLY_NOTHING:
        msg = "no space left"
        raise asyncssh.SFTPNoSpaceOnFilesystem(msg)
