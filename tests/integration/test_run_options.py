"""The options of `ramalama run`, by what they do to the real container and the real server."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import PROMPT, ROOTFUL, SMALL, Cli, Done, saying
from tests.integration.served import Served, serving
from tests.lab.scratch import undo_at_the_end

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.lab.account import Account

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

# Numbers of devices that nobody has, "local/experimental" in the kernel's list. Whether they may be
# opened is looked at before that.
NOBODYS = 240


@pytest.fixture(scope="module")
def nodes(lab: Path) -> Generator[tuple[Path, Path]]:
    """Two devices of this host; in /dev, where alone Podman's API sees them."""
    paths = Path(f"/dev/{lab.name}-1"), Path(f"/dev/{lab.name}-2")
    for minor, path in enumerate(paths):
        undo_at_the_end(lab, "rm", "--force", str(path))
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(NOBODYS, minor))
        path.chmod(0o666)
    yield paths
    for path in paths:
        path.unlink()


@pytest.fixture(scope="module", params=ROOTFUL)
def adorned(request: pytest.FixtureRequest, nodes: tuple[Path, Path]) -> Generator[Served]:
    """A server with a bit of everything."""
    options = (
        *("--name", "adorned", "--oci-runtime", "runc", "--selinux", "false"),
        *("--env", "GIVEN=a b=c 'd' ü", "--env", "HOME", "--env", "NOT_SET_HERE", "--env", "NONE="),
        *("--device", f"{nodes[0]}:/dev/first", "--device", f"{nodes[1]}:/dev/second:r"),
        *("--max-model-len", "512", "--temp", "0.25", "--seed", "42", "-t", "2", "--ngl", "0"),
        *("--runtime-args", "--top-k 7 --min-p '0.5'", "--runtime-args=--no-slots"),
    )
    with serving(request, request.param, *options) as server:
        yield server


def test_name_names_the_container(adorned: Served) -> None:
    assert adorned.container["Name"] == "/adorned"


def test_env_sets_variables_and_passes_those_of_the_host_that_are_set(adorned: Served) -> None:
    assert adorned.env["GIVEN"] == "a b=c 'd' ü"
    assert adorned.env["HOME"] == str(adorned.cli.home)
    assert adorned.env["NONE"] == ""
    assert "NOT_SET_HERE" not in adorned.env


def test_nothing_else_of_the_hosts_environment_comes_in(adorned: Served) -> None:
    assert not adorned.env.keys() & {"CONTAINER_HOST", "DOCKER_HOST", "XDG_RUNTIME_DIR", "LANG"}


@pytest.mark.parametrize(
    ("device", "refused_to_write"), [("first", False), ("second", True)], ids=["rwm", "r"]
)
def test_device_gives_the_device_with_the_permissions(
    adorned: Served, device: str, *, refused_to_write: bool
) -> None:
    opened = "(: {}/dev/{}) 2>&1 || true"

    assert "No such device" in adorned.inside(opened.format("<", device))
    assert ("not permitted" in adorned.inside(opened.format(">", device))) is refused_to_write


def test_selinux_false_asks_the_engine_for_no_separation(adorned: Served) -> None:
    assert "label=disable" in adorned.container["HostConfig"]["SecurityOpt"]


def test_the_sampling_options_reach_the_server(adorned: Served) -> None:
    with adorned.cli.server() as client:
        settings = client.get("/props").json()["default_generation_settings"]

    sampling = settings["params"]
    assert settings["n_ctx"] == 512
    assert (sampling["temperature"], sampling["seed"]) == (0.25, 42)
    assert (sampling["top_k"], sampling["min_p"]) == (7, 0.5)


def test_the_other_options_are_on_the_servers_command_line(adorned: Served) -> None:
    given = dict(zip(adorned.argv, adorned.argv[1:], strict=False))

    assert (given["--threads"], given["--n-gpu-layers"]) == ("2", "0")
    assert adorned.argv[-1] == "--no-slots"


def test_runtime_args_are_the_servers_own(adorned: Served) -> None:
    with adorned.cli.server() as client:
        assert client.get("/slots").status_code == 501


@pytest.mark.parametrize("cli", ["docker"], indirect=True)
def test_docker_takes_an_oci_runtime_that_it_has_registered(cli: Cli, model: Path) -> None:
    words = (*SMALL, "--oci-runtime=io.containerd.runc.v2", str(model))
    with cli.prompt_loop(*words) as terminal:
        container = cli.container_of(terminal.pid)

        assert container is not None
        assert container["HostConfig"]["Runtime"] == "io.containerd.runc.v2"


@pytest.mark.parametrize("cli", ["rootless_crun"], indirect=True)
def test_keep_groups_keeps_the_users_groups(cli: Cli, model: Path, account: Account) -> None:
    words = (*SMALL, *saying("Yes."), "--keep-groups", str(model))
    with cli.prompt_loop(*words) as terminal:
        container = cli.container_of(terminal.pid)
        assert container is not None
        pid = container["State"]["Pid"]
        with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123
            (groups,) = (line for line in status if line.startswith("Groups:"))
        terminal.sendline("Are you there?")
        terminal.expect_exact(f"Yes.\r\n{PROMPT}")

    assert str(account.shared_gid) in groups.split()


@pytest.mark.parametrize("cli", ["rootless_crun"], indirect=True)
def test_without_keep_groups_they_stay_outside(cli: Cli, model: Path, account: Account) -> None:
    with cli.prompt_loop(*SMALL, str(model)) as terminal:
        container = cli.container_of(terminal.pid)
        assert container is not None
        pid = container["State"]["Pid"]
        with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123
            (groups,) = (line for line in status if line.startswith("Groups:"))

    assert str(account.shared_gid) not in groups.split()


@pytest.mark.parametrize("spelling", ["file://{path}", "file:{path}", "./{name}", "file:{name}"])
@pytest.mark.parametrize("cli", ["podman"], indirect=True)
def test_the_model_may_be_spelled_in_many_ways(cli: Cli, model: Path, spelling: str) -> None:
    reference = spelling.format(path=model, name=model.name)
    command = cli.command("run", *SMALL, *saying("Yes."), reference, "Is it?")
    process = subprocess.run(
        command, cwd=model.parent, env=cli.env, capture_output=True, text=True, check=False
    )

    assert Done(code=process.returncode, out=process.stdout, err=process.stderr) == Done(
        code=0, out="Yes.\n"
    )


@pytest.mark.parametrize("cli", ["podman"], indirect=True)
def test_settings_of_the_configuration_file_hold_unless_an_option_says_otherwise(
    cli: Cli, model: Path
) -> None:
    (cli.home / "config/ramalama").mkdir()
    settings = '[ramalama]\nctx_size = 512\ntemp = 0.5\nprefix = "conf> "\n'
    (cli.home / "config/ramalama/ramalama.conf").write_text(settings)
    with cli.terminal("run", "--temp=0.75", str(model)) as terminal:
        terminal.expect_exact("conf> ")
        with cli.server() as client:
            found = client.get("/props").json()["default_generation_settings"]

    assert (found["n_ctx"], found["params"]["temperature"]) == (512, 0.75)
