"""What tells other hosts that a server's process lives, on an engine that shows no files."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from ramalama.api.client import Ramalama
from ramalama.config.config import Config
from ramalama.serving.sides import lease
from ramalama_engines import EngineKind, InvokingUser
from ramalama_engines.discovery.connection import open_engine
from tests.integration.cli import ENDLESS
from tests.integration.test_remote_uploads import tls_env
from tests.lab.assets import IMAGE
from tests.lab.service import program

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama_engines.address import EngineAddress
    from tests.integration.cli import Cli

pytest_plugins = ["tests.integration.users"]
pytestmark = [pytest.mark.engines, pytest.mark.programs("unshare")]


def test_a_server_over_tls_is_removed_by_another_host_when_its_lease_is_over(
    cli: Cli,
    model: Path,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address: EngineAddress = request.getfixturevalue(f"{cli.service.kind}_over_tls")
    elsewhere = cli.home / "x"  # what belongs to a host whose processes are not seen here
    elsewhere.mkdir(mode=0o700)
    env = {**cli.env, **tls_env(address, tmp_path), "XDG_RUNTIME_DIR": str(elsewhere)}
    other = (program("unshare"), "--pid", "--fork", "--mount-proc", "--kill-child")
    words = cli.command("run", *ENDLESS, str(model), "Count!")
    with subprocess.Popen(
        (*other, *words), env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        while_it_lives = volumes(cli, "ramalama-lease-")
        process.kill()
    run_dir = tmp_path / "another host"
    user = InvokingUser(env={}, home=tmp_path, uid=os.getuid())
    engine = open_engine(EngineKind(cli.service.kind), address, sockets=lambda: run_dir / "s")
    with Ramalama(Config(image=IMAGE), engine=engine, user=user, run_dir=run_dir) as ramalama:
        fresh = ramalama.remove_orphans()
        monkeypatch.setattr(lease, "_LEASE_TIME", -1.0)
        over = ramalama.remove_orphans()
    cli.run("gc", "--engine-side", env=env)

    assert len(while_it_lives) == 1
    assert (fresh, over) == (0, 1)
    assert cli.containers() == []
    assert volumes(cli, "ramalama-") == []


def volumes(cli: Cli, beginning: str) -> list[str]:
    with cli.service.client() as client:
        listed = client.get("/volumes").json()["Volumes"] or ()
    return [each["Name"] for each in listed if each["Name"].startswith(beginning)]
