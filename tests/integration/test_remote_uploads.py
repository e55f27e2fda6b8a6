"""A model on its way to an engine that sees none of our files: through ssh, or into a volume."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

import pytest

from ramalama.api.client import Ramalama
from ramalama.config.config import Config
from ramalama.config.options import ServeOptions
from ramalama.events import UploadPlanned, UploadProgress
from ramalama.serving.sides.volumes import PART
from ramalama_engines import EngineKind, InvokingUser
from ramalama_engines.address import EngineAddress
from ramalama_engines.discovery.connection import open_engine
from tests.integration.cli import SMALL
from tests.integration.test_ssh import live_in
from tests.lab.assets import IMAGE
from tests.lab.sshd import sshd

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama.events import Event
    from tests.integration.cli import Cli
    from tests.lab.service import EngineService

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

_MIB: Final = 1 << 20
_CUT: Final = 60 * _MIB


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

    def send(self, model: Path, *, until: int | None = None) -> tuple[list[int], bool]:
        """Start a server; return what had arrived at each step, and whether there was an upload.

        The upload is cut when more than *until* bytes have arrived.
        """
        steps: list[int] = []
        planned = False

        def follow(event: Event) -> None:
            nonlocal planned
            planned = planned or isinstance(event, UploadPlanned)
            if isinstance(event, UploadProgress):
                steps.append(event.done)
                if until is not None and event.done > until:
                    raise _Cut

        engine = open_engine(self._kind, self._address, sockets=lambda: self._run_dir / "s")
        with Ramalama(
            self._config, engine=engine, user=self._user, run_dir=self._run_dir
        ) as ramalama:
            options = ServeOptions(model=ramalama.models.resolve(str(model)), ctx_size=256, ngl=0)
            try:
                with ramalama.serve(options, on_event=follow) as server:
                    assert server.running
            except _Cut:
                pass
        return steps, planned


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


def test_by_volume_at_most_a_part_is_sent_again_after_a_cut(by_tls: _Sender, model: Path) -> None:
    before, _ = by_tls.send(model, until=_CUT)
    after, _ = by_tls.send(model)
    again, planned = by_tls.send(model)

    assert before[-1] > _CUT
    assert after[0] >= before[-1] - PART
    assert after[-1] == model.stat().st_size
    assert (again, planned) == ([], False)


def test_over_tls_the_command_chats_by_a_port_with_a_key_and_says_so(
    cli: Cli, model: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    address: EngineAddress = request.getfixturevalue(f"{cli.service.kind}_over_tls")
    tls = address.tls
    assert tls is not None
    for name, path in (("ca", tls.ca), ("cert", tls.cert), ("key", tls.key)):
        assert path is not None
        shutil.copy(path, tmp_path / f"{name}.pem")
    env = {
        "RAMALAMA_ENGINE_URL": address.url,
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(tmp_path),
    }
    done = cli.run("run", *SMALL, "--max-tokens=4", str(model), "Hello!", env=env)
    freed = cli.run("gc", "--engine-side", env=env)

    assert done.code == 0, done.err
    assert done.out.strip()
    assert "a port is published on 127.0.0.1 there; it requires a key" in done.err
    assert freed.out.startswith("ramalama-model-")
