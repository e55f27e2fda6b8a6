"""What takes no time, against an ssh service in this process."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from ramalama_engines.address import EngineAddress
from ramalama_engines.ssh.asking import do_not_ask
from ramalama_engines.ssh.link import Link
from ramalama_engines.ssh.login import Login
from ramalama_engines.ssh.route import SshRoute
from ramalama_engines.ssh.target import SshTarget
from tests.doubles.ssh_server import serve_ssh

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture
def route(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[SshRoute]:
    """The way to a socket that listens, on a host that is not asked for its key."""
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    for path in (tmp_path / ".ssh/id_ed25519", tmp_path / "host"):
        key: Any = asyncssh.generate_private_key("ssh-ed25519")  # pyright: ignore[reportUnknownMemberType]
        key.write_private_key(path)
        key.write_public_key(f"{path}.pub")
    with (
        serve_ssh(tmp_path / "host", authorized=tmp_path / ".ssh/id_ed25519.pub") as port,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        listener.bind(str(tmp_path / "e"))
        listener.listen()
        url = f"ssh://me@127.0.0.1:{port}{tmp_path}/e"
        address = EngineAddress(url=url, is_machine=True)
        with closing(SshRoute(address, lambda: tmp_path / "s")) as made:
            yield made


def test_the_engine_is_reached_before_the_first_session_has_started(
    route: SshRoute, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncssh.SSHClientConnection, "start_sftp_client", never)

    with closing(route.dial(10)):
        began = time.monotonic()
        route.close()

    assert time.monotonic() - began < 2


def test_files_wait_for_the_first_session(
    route: SshRoute, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = asyncssh.SSHClientConnection.start_sftp_client

    async def late(connection: asyncssh.SSHClientConnection, **_: object) -> asyncssh.SFTPClient:
        await asyncio.sleep(0.2)
        return await ordinary(connection, path_errors="surrogateescape")

    monkeypatch.setattr(asyncssh.SSHClientConnection, "start_sftp_client", late)

    with closing(route.dial(10)):
        files = route.ssh.files
        assert files is not None
        assert "e" in files.listing(str(tmp_path))


def test_an_rsa_key_is_read_without_a_proof_of_its_primes(tmp_path: Path) -> None:
    file = tmp_path / "id_rsa"
    key: Any = asyncssh.generate_private_key("ssh-rsa", key_size=4096)  # pyright: ignore[reportUnknownMemberType]
    key.write_private_key(file)

    async def load() -> float:
        login = Login("me@gpu", do_not_ask)
        began = time.process_time()
        (pair,) = login.load_keys([file])
        assert pair.get_algorithm() == "ssh-rsa"
        return time.process_time() - began

    began = time.process_time()
    asyncssh.read_private_key(file)
    proof = time.process_time() - began

    assert asyncio.run(load()) < proof / 4


def test_files_of_a_connection_that_another_thread_has_found_lost_are_not_opened_again() -> None:
    link = Link(SshTarget.parse("ssh://me@far.example"))

    asyncio.run(link.renew_sftp())
