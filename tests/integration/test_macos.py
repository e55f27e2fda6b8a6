"""As if on macOS: an engine behind ssh, and one whose socket leads to a virtual machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from ramalama.serving.sides.evidence import sees_model
from tests.doubles import as_if_on_macos
from tests.integration.cli import ENDLESS, SMALL, Cli
from tests.integration.engine_proxy import proxied
from tests.integration.far import FarCli, MacCli, far_user
from tests.lab.assets import IMAGE

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama_engines import Engine
    from tests.lab.hidden import Hidden
    from tests.lab.service import EngineService
    from tests.lab.sshd import SshService

pytest_plugins = ["tests.integration.users"]
pytestmark = [pytest.mark.engines, pytest.mark.programs("sshd", "ssh-keygen", "nsenter")]


@pytest.fixture
def mac(own: Hidden, far_sshd: SshService, podman_service: EngineService) -> Generator[FarCli]:
    """A user on macOS whose Podman is on another host."""
    with far_user(podman_service, own, far_sshd, MacCli) as user:
        yield user


def test_a_mac_has_its_server_on_another_host(mac: FarCli, own: Hidden, model: Path) -> None:
    path = str(own.directory / model.name)
    answer = mac.run("run", *SMALL, "--max-tokens=4", path, "Hello!")
    started = mac.run("serve", "-d", *SMALL, path)
    name = started.out.strip()
    listed, log = mac.run("ps", "--noheading"), mac.run("logs", name)
    stopped = mac.run("stop", name)

    assert (answer.code, started.code) == (0, 0), answer.err + started.err
    assert answer.out.strip()
    assert listed.out.strip()
    assert "listening" in log.out
    assert stopped.code == 0, stopped.err
    assert mac.far_servers == []

    with mac.start("run", *ENDLESS, path, "Count!") as process:
        assert process.stdout is not None
        process.stdout.read(1)
        there = mac.far_servers
        process.kill()
    listed = mac.run("ps", "--noheading")

    assert len(there) == 1
    assert (listed.code, listed.out) == (0, ""), listed.err
    assert mac.containers() == []
    assert mac.far_servers == []


def test_a_directory_whose_path_is_too_long_for_sockets_is_told(
    mac: FarCli, own: Hidden, model: Path
) -> None:
    deep = mac.home / ("x" * 40)
    deep.mkdir(mode=0o700)
    done = mac.run(
        "run", *SMALL, str(own.directory / model.name), "Hi", env={"XDG_RUNTIME_DIR": str(deep)}
    )

    assert done.code == 22
    assert "set XDG_RUNTIME_DIR to a" in done.complaint


class LocalMac(Cli):
    """A user on macOS of an engine whose socket is on this host."""

    def command(self, *words: str) -> list[str]:
        """Return what to execute."""
        return [sys.executable, as_if_on_macos.__file__, *words]


@pytest.mark.parametrize("cli", ["podman"], indirect=True)
def test_without_the_name_of_the_listener_evidence_shows_that_an_engine_is_here(
    cli: Cli, model: Path, lab: Path
) -> None:
    with proxied(lab / "proxy.sock", cli.service.socket) as proxy:
        mac = LocalMac(service=cli.service, home=cli.home, url=proxy.url)
        with mac.start("run", *ENDLESS, str(model), "Count!") as process:
            assert process.stdout is not None
            process.stdout.read(1)
            (container,) = mac.containers()
            sockets = [*mac.run_dir.glob("*/api.sock")]
            process.kill()
            assert process.stderr is not None
            said = process.stderr.read()
        listed = mac.run("ps", "--noheading")

    assert container["HostConfig"]["NetworkMode"] == "none"
    assert len(sockets) == 1
    assert "a port is published" not in said
    assert (listed.code, listed.out) == (0, ""), listed.err


def test_an_engine_that_sees_a_model_shows_it(engine: Engine, model: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(model)
    before = {state.id for state in engine.list({})}

    for path in (model, tmp_path / "link"):
        assert sees_model(engine, {path: "/mnt/models/model.gguf"}, IMAGE)
    assert {state.id for state in engine.list({})} == before
