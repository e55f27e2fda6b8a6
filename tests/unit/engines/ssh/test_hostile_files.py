"""A host that answers by SFTP what no host should."""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import closing, contextmanager
from io import FileIO, IOBase
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import asyncssh
import pytest

from ramalama_engines.address import EngineAddress
from ramalama_engines.errors import EngineError, EngineUnavailable, RemoteFileError
from ramalama_engines.ssh import files as ssh_files
from ramalama_engines.ssh.route import SshRoute
from tests.doubles.ssh_server import serve_ssh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator
    from contextlib import AbstractContextManager

    from ramalama_engines.route import RemoteFiles

_DIRECTORY = asyncssh.SFTPAttrs(permissions=stat.S_IFDIR | 0o700)


class OpenFiles(Protocol):
    """Opens the files of a host that answers as a class of the test does."""

    def __call__(
        self, service: type[asyncssh.SFTPServer]
    ) -> AbstractContextManager[RemoteFiles]: ...


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenFiles:
    """Return what opens the files of a host that answers as a class of the test does."""
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    for path in (tmp_path / ".ssh/id_ed25519", tmp_path / "host"):
        key: Any = asyncssh.generate_private_key("ssh-ed25519")  # pyright: ignore[reportUnknownMemberType]
        key.write_private_key(path)
        key.write_public_key(f"{path}.pub")

    @contextmanager
    def open_files(service: type[asyncssh.SFTPServer]) -> Generator[RemoteFiles]:
        with serve_ssh(
            tmp_path / "host", authorized=tmp_path / ".ssh/id_ed25519.pub", files=service
        ) as port:
            address = EngineAddress(url=f"ssh://me@127.0.0.1:{port}/e", is_machine=True)
            with closing(SshRoute(address, lambda: tmp_path / "s")) as route:
                files = route.ssh.files
                assert files is not None
                yield files

    return open_files


class _Silent(asyncssh.SFTPServer):
    async def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
        del path
        await asyncio.sleep(60)
        return _DIRECTORY

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        del offset
        assert isinstance(file_obj, IOBase)
        file_obj.close()
        await asyncio.sleep(60)
        return len(data)


def _find(files: RemoteFiles, path: Path) -> None:
    files.find(str(path))


def _remove(files: RemoteFiles, path: Path) -> None:
    files.remove(str(path))


def _upload(files: RemoteFiles, path: Path) -> None:
    files.upload(path, f"{path}.copy")


@pytest.mark.parametrize("call", [_find, _remove, _upload])
def test_a_host_that_does_not_answer_is_not_waited_for_without_end(
    far: OpenFiles,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[[RemoteFiles, Path], object],
) -> None:
    monkeypatch.setattr(ssh_files, "_PATIENCE", 0.3)
    monkeypatch.setattr(ssh_files, "_UPLOAD_PATIENCE", 0.3)
    (tmp_path / "file").write_bytes(b"1" * 1000)

    with far(_Silent) as files, pytest.raises(EngineUnavailable, match="within 0"):
        call(files, tmp_path / "file")


class _Slow(asyncssh.SFTPServer):
    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        await asyncio.sleep(0.2)
        assert isinstance(file_obj, FileIO)
        file_obj.seek(offset)
        return file_obj.write(data)


def test_an_upload_may_take_as_long_as_something_arrives(
    far: OpenFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_files, "_UPLOAD_PATIENCE", 0.5)
    (tmp_path / "file").write_bytes(os.urandom(5 * (255 << 10)))

    with far(_Slow) as files:
        files.upload(tmp_path / "file", str(tmp_path / "copy"))

    assert (tmp_path / "copy").read_bytes() == (tmp_path / "file").read_bytes()


class _Endless(asyncssh.SFTPServer):
    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        del path
        for number in count():
            yield asyncssh.SFTPName(b"%d" % number, b"", _DIRECTORY)

    def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
        del path
        return _DIRECTORY


class _Nested(_Endless):
    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        del path
        yield asyncssh.SFTPName(b"inside", b"", _DIRECTORY)

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Do nothing, as with the rest."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Do nothing."""

    def rmdir(self, path: bytes) -> None:
        """Do nothing."""


@pytest.mark.parametrize("service", [_Endless, _Nested])
def test_the_removal_of_a_directory_without_end_has_one(
    far: OpenFiles, monkeypatch: pytest.MonkeyPatch, service: type[asyncssh.SFTPServer]
) -> None:
    monkeypatch.setattr(ssh_files, "_PATIENCE", 3)

    with far(service) as files, pytest.raises(EngineError):
        files.remove("/endless")


class _Names(asyncssh.SFTPServer):
    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        yield asyncssh.SFTPName(path.rpartition(b"@")[2].replace(b"%", b"/"), b"", _DIRECTORY)


@pytest.mark.parametrize("name", ["..%..%etc", "%etc", "a%b"])
def test_a_name_that_leads_out_of_its_directory_is_refused(far: OpenFiles, name: str) -> None:
    with far(_Names) as files, pytest.raises(RemoteFileError, match="no directory has"):
        files.listing(f"/x@{name}")


class _Homes(asyncssh.SFTPServer):
    def realpath(self, path: bytes) -> bytes:
        del path
        return b"/home/me\x1b[2J\n"


class _Elsewhere(asyncssh.SFTPServer):
    def realpath(self, path: bytes) -> bytes:
        del path
        return b"../me"


@pytest.mark.parametrize("service", [_Homes, _Elsewhere])
def test_a_home_directory_that_is_none_is_refused(
    far: OpenFiles, service: type[asyncssh.SFTPServer]
) -> None:
    with far(service) as files, pytest.raises(RemoteFileError) as refused:
        files.home()

    assert str(refused.value).isprintable()


class _Loud(asyncssh.SFTPServer):
    def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
        del path
        raise asyncssh.SFTPFailure("\x1b[2J" * 500_000)


def test_what_a_host_says_is_shown_in_one_short_line(far: OpenFiles) -> None:
    with far(_Loud) as files, pytest.raises(RemoteFileError) as refused:
        files.find("/x")

    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


class _OfAUser(asyncssh.SFTPServer):
    """Refuse what only root may do to directories without permissions, as this may be root."""

    def _check(self, path: bytes) -> None:
        if Path(os.fsdecode(path)).stat().st_mode & 0o700 != 0o700:
            raise PermissionError

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        self._check(path)
        async for each in super().scandir(path):
            yield each

    def remove(self, path: bytes) -> None:
        self._check(os.path.dirname(path))  # noqa: PTH120 (bytes)
        super().remove(path)

    def rmdir(self, path: bytes) -> None:
        self._check(os.path.dirname(path))  # noqa: PTH120
        super().rmdir(path)


def test_a_directory_that_a_server_has_filled_is_removed_whatever_is_in_it(
    far: OpenFiles, tmp_path: Path
) -> None:
    top, outside = tmp_path / "top", tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (top / "shut/inner").mkdir(parents=True)
    (top / "shut/inner/file").touch()
    (top / "link").symlink_to(outside)
    (top / "shut/inner/link").symlink_to(outside)
    (top / "shut/inner").chmod(0)
    (top / "shut").chmod(0o500)
    deep = os.open(top, os.O_RDONLY)
    for _ in range(30):  # longer than any path may be
        os.mkdir("d" * 200, dir_fd=deep)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(deep)

    with far(_OfAUser) as files:
        files.remove(str(top))

    assert not top.exists()
    assert (outside / "kept").exists()


class _Stuck(asyncssh.SFTPServer):
    def remove(self, path: bytes) -> None:
        if path.endswith(b"stuck"):
            raise PermissionError
        super().remove(path)


def test_what_cannot_be_removed_does_not_keep_the_rest(far: OpenFiles, tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    for name in ("1", "stuck", "2"):
        (top / name).touch()

    with far(_Stuck) as files, pytest.raises(RemoteFileError):
        files.remove(str(top))

    assert [path.name for path in top.iterdir()] == ["stuck"]
