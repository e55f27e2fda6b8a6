"""`ramalama run --dryrun`: the line that a person would type for the same container."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.cli import LOOP, ROOTFUL
from tests.integration.served import Served, serving

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

OPTIONS = (
    *("--ctx-size=256", "--env=A=b c", "--env=Q='\"\\$x\n;", "--device=/dev/full:/dev/x:r"),
    *("--seed=1", "--runtime-args=--top-k '7'"),
)


@pytest.fixture(scope="module", params=ROOTFUL)
def real(request: pytest.FixtureRequest) -> Generator[Served]:
    """A server with the same options, really started."""
    with serving(request, request.param, *OPTIONS) as server:
        yield server


def described(container: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what makes a container what it is; names, times and IDs are not a part of it."""
    config, host, mounts = (container[part] for part in ("Config", "HostConfig", "Mounts"))
    of_the_process = {f"ai.ramalama.{name}" for name in ("instance", "owner", "plan")}
    return {
        "argv": [container["Path"], *container["Args"]],
        "capabilities": host["CapDrop"],
        "devices": host["Devices"],
        "env": sorted(one for one in config["Env"] if not one.startswith("HOSTNAME=")),
        "image": container["Image"],
        "labels": {k: v for k, v in config["Labels"].items() if k not in of_the_process},
        "mounts": sorted((m["Destination"], m["RW"]) for m in mounts if m["Type"] == "bind"),
        "network": host["NetworkMode"],
        "privileged": host["Privileged"],
        "read-only": host["ReadonlyRootfs"],
        "security": host["SecurityOpt"],
        "tmpfs": sorted(
            host.get("Tmpfs") or [m["Destination"] for m in mounts if m["Type"] == "tmpfs"]
        ),
        "user": config["User"],
    }


def test_the_line_makes_the_same_container(real: Served, model: Path) -> None:
    cli = real.cli
    done = cli.run("run", "--dryrun", *LOOP, *OPTIONS, str(model))
    kind, *words = shlex.split(done.out)
    (mount,) = (word for word in words if word.endswith(":/run/ramalama:z"))
    directory = Path(mount.removeprefix("--volume=").removesuffix(":/run/ramalama:z"))
    directory.mkdir(mode=0o700)  # which a dry run does not
    container = cli.engine(*words)
    try:
        (typed,) = (one for one in cli.containers() if one["Id"] == container)
    finally:
        cli.engine("kill", container)
        cli.engine("rm", container)
        shutil.rmtree(directory)

    assert (done.code, done.err, kind) == (0, "", cli.service.kind)
    assert described(typed) == described(real.container)


def test_a_dry_run_does_nothing(real: Served, model: Path) -> None:
    before = {one["Id"] for one in real.cli.containers()}, [*real.cli.run_dir.rglob("*")]
    done = real.cli.run("run", "--dryrun", *OPTIONS, "--image=localhost/not-there:1", str(model))
    after = {one["Id"] for one in real.cli.containers()}, [*real.cli.run_dir.rglob("*")]

    assert done.code == 0
    assert " localhost/not-there:1 " in done.out
    assert before == after
