"""A model on its way to an engine that sees none of our files: through ssh, or into a volume."""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest

from ramalama.api.client import Ramalama
from ramalama.config.config import Config
from ramalama.config.options import ServeOptions
from ramalama.errors import EngineFailure
from ramalama.events import UploadPlanned, UploadProgress
from ramalama.serving.sides.volumes import PART, tar_of
from ramalama_engines import EngineKind, InvokingUser
from ramalama_engines.address import EngineAddress
from ramalama_engines.discovery.connection import open_engine
from tests.integration.cli import SMALL
from tests.integration.test_ssh import live_in
from tests.lab.assets import IMAGE
from tests.lab.service import program
from tests.lab.sshd import sshd

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from pathlib import Path

    from ramalama.events import Event
    from ramalama.serving.sides.copies import ModelCopy
    from tests.integration.cli import Cli
    from tests.lab.service import EngineService

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

_MIB: Final = 1 << 20
_CUT: Final = 60 * _MIB
_SERIAL: Final = count()


class _Cut(Exception):
    """What ends an upload in the middle."""


class _Sender:
    """A library's user of one remote engine, who watches uploads."""

    def __init__(self, directory: Path, address: EngineAddress, kind: EngineKind) -> None:
        directory.mkdir(mode=0o700)
        self._user = InvokingUser(env={}, home=directory, uid=os.getuid())
        self._config = Config(image=IMAGE, store=str(directory / "store"))
        self._run_dir = directory / "run"
        self._address, self._kind = address, kind

    def send(
        self, model: Path, *, until: int | None = None, on_first: Callable[[], None] | None = None
    ) -> tuple[list[int], bool]:
        """Start a server; return what had arrived at each step, and whether there was an upload.

        The upload is cut when more than *until* bytes have arrived. *on_first* is called
        when the first bytes have arrived.
        """
        steps: list[int] = []
        planned = False

        def follow(event: Event) -> None:
            nonlocal planned
            planned = planned or isinstance(event, UploadPlanned)
            if isinstance(event, UploadProgress):
                if not steps and on_first is not None:
                    on_first()
                steps.append(event.done)
                if until is not None and event.done > until:
                    raise _Cut

        with self._client() as ramalama:
            options = ServeOptions(model=ramalama.models.resolve(str(model)), ctx_size=256, ngl=0)
            try:
                with ramalama.serve(options, on_event=follow) as server:
                    assert server.running
            except _Cut:
                pass
        return steps, planned

    def collect_garbage(self) -> Sequence[ModelCopy]:
        """Remove what no server uses, as another process would do it; return what is removed."""
        with self._client() as ramalama:
            return ramalama.remove_copies()

    def _client(self) -> Ramalama:
        sockets = self._run_dir / f"s{next(_SERIAL)}"
        engine = open_engine(self._kind, self._address, sockets=lambda: sockets)
        return Ramalama(self._config, engine=engine, user=self._user, run_dir=self._run_dir)


@pytest.fixture
def by_ssh(
    lab: Path, podman_service: EngineService, monkeypatch: pytest.MonkeyPatch
) -> Generator[_Sender]:
    with sshd(lab / "uploads") as service:
        live_in(service, monkeypatch)
        address = EngineAddress(url=service.url(podman_service.socket))
        yield _Sender(lab / "sender", address, EngineKind.PODMAN)
    shutil.rmtree(lab / "uploads")
    shutil.rmtree(lab / "sender")


def test_by_ssh_at_most_a_mebibyte_is_sent_again_after_a_cut(by_ssh: _Sender, model: Path) -> None:
    before, _ = by_ssh.send(model, until=_CUT)
    after, _ = by_ssh.send(model)
    again, planned = by_ssh.send(model)

    assert before[-1] > _CUT
    assert after[0] >= before[-1] - _MIB
    assert after[-1] == model.stat().st_size
    assert (again, planned) == ([], False)


def test_gc_leaves_a_model_alone_that_is_being_sent_by_ssh(by_ssh: _Sender, model: Path) -> None:
    removed: list[object] = []

    sent, _ = by_ssh.send(model, on_first=lambda: removed.extend(by_ssh.collect_garbage()))

    assert removed == []
    assert sent[-1] == model.stat().st_size
    assert len(by_ssh.collect_garbage()) == 1


@pytest.fixture(params=["podman", "docker"])
def by_tls(request: pytest.FixtureRequest, lab: Path) -> Generator[_Sender]:
    address: EngineAddress = request.getfixturevalue(f"{request.param}_over_tls")
    service: EngineService = request.getfixturevalue(f"{request.param}_service")
    yield _Sender(lab / "sender", address, EngineKind(request.param))
    shutil.rmtree(lab / "sender")
    with service.client() as client:
        left = [each["Name"] for each in client.get("/volumes").json()["Volumes"] or ()]
        for name in left:
            if name.startswith("ramalama-model-"):
                client.delete(f"/volumes/{name}")
    assert [name for name in left if name.startswith("ramalama-server-")] == []


def test_by_volume_at_most_a_part_is_sent_again_after_a_cut(
    by_tls: _Sender, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, _ = by_tls.send(model, until=_CUT)
    sent: list[int] = []

    def pack(name: str, content: Iterator[bytes], *, size: int, uid: int, mode: int) -> object:
        sent.append(size)
        return tar_of(name, content, size=size, uid=uid, mode=mode)

    monkeypatch.setattr("ramalama.serving.sides.volumes.tar_of", pack)
    after, _ = by_tls.send(model)
    again, planned = by_tls.send(model)

    assert before[-1] > _CUT
    assert 0 < sum(sent) <= model.stat().st_size - before[-1] + PART
    assert after[-1] == model.stat().st_size
    assert (again, planned) == ([], False)


def test_gc_leaves_a_model_alone_that_is_being_sent_into_a_volume(
    by_tls: _Sender, model: Path
) -> None:
    removed: list[object] = []

    sent, _ = by_tls.send(model, on_first=lambda: removed.extend(by_tls.collect_garbage()))

    assert removed == []
    assert sent[-1] == model.stat().st_size
    assert len(by_tls.collect_garbage()) == 1


def tls_env(address: EngineAddress, directory: Path) -> dict[str, str]:
    """Return the variables that lead to *address*, with its files in *directory*."""
    tls = address.tls
    assert tls is not None
    for name, path in (("ca", tls.ca), ("cert", tls.cert), ("key", tls.key)):
        assert path is not None
        shutil.copy(path, directory / f"{name}.pem")
    return {
        "RAMALAMA_ENGINE_URL": address.url,
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(directory),
    }


def test_a_model_that_changes_while_it_is_sent_into_a_volume_is_refused(
    by_tls: _Sender, model: Path, tmp_path: Path
) -> None:
    changing = tmp_path / model.name
    shutil.copy(model, changing)

    def change() -> None:
        with changing.open("r+b") as file:
            file.seek(_CUT)
            file.write(b"another model")

    with pytest.raises(EngineFailure, match="is not the one that was sent"):
        by_tls.send(changing, on_first=change)

    assert by_tls.send(changing)[0]


@pytest.mark.programs("unshare")
def test_two_hosts_send_one_model_into_a_volume_at_once(
    cli: Cli, model: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    address: EngineAddress = request.getfixturevalue(f"{cli.service.kind}_over_tls")
    env = {**cli.env, **tls_env(address, tmp_path)}
    other_run_dir = cli.home / "other"  # the other host has its own
    other_run_dir.mkdir(mode=0o700)
    other = (program("unshare"), "--pid", "--fork", "--mount-proc", "--kill-child")
    words = cli.command("run", *SMALL, "--max-tokens=2", str(model), "Hello!")
    other_env = {**env, "XDG_RUNTIME_DIR": str(other_run_dir)}
    with (
        subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as one,
        subprocess.Popen(
            (*other, *words), env=other_env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as two,
    ):
        outputs = [process.communicate() for process in (one, two)]
    freed = cli.run("gc", "--engine-side", env=env)

    assert (one.returncode, two.returncode) == (0, 0), outputs
    assert outputs[0][0] == outputs[1][0] != b""
    assert freed.out.count("ramalama-model-") == 1


def test_over_tls_the_command_chats_by_a_port_with_a_key_and_says_so(
    cli: Cli, model: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    address: EngineAddress = request.getfixturevalue(f"{cli.service.kind}_over_tls")
    env = tls_env(address, tmp_path)
    done = cli.run("run", *SMALL, "--max-tokens=4", str(model), "Hello!", env=env)
    freed = cli.run("gc", "--engine-side", env=env)

    assert done.code == 0, done.err
    assert done.out.strip()
    assert "a port is published on 127.0.0.1 there; it requires a key" in done.err
    assert freed.out.startswith("ramalama-model-")
