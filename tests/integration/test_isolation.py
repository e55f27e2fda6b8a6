"""What a model server can and cannot do, by what the kernel and the engine say of it."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import EVERYWHERE, PROMPT, SMALL, Cli, Done, saying
from tests.integration.served import Served, serving
from tests.lab.service import program

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama_engines import Engine

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

MEMORY_LIMIT = (
    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true"
)
PAGE = os.sysconf("SC_PAGE_SIZE")
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


@pytest.fixture(scope="module", params=EVERYWHERE)
def locked(request: pytest.FixtureRequest) -> Generator[Served]:
    """A server as it is by default."""
    with serving(request, request.param) as server:
        yield server


@pytest.fixture(scope="module")
def privileged(request: pytest.FixtureRequest) -> Generator[Served]:
    """A server that is locked in by nothing."""
    with serving(request, "podman", "--privileged") as server:
        yield server


def test_it_has_no_capability_and_gets_none(locked: Served) -> None:
    assert {name: int(locked.status(name)[0], 16) for name in SETS} == dict.fromkeys(SETS, 0)
    assert locked.status("NoNewPrivs") == ["1"]


def test_its_system_calls_are_filtered(locked: Served) -> None:
    assert locked.status("Seccomp") == ["2"]


def test_it_runs_as_the_user_who_started_it(locked: Served) -> None:
    assert set(locked.status("Uid")) == {str(locked.cli.uid)}


def test_its_root_file_system_is_read_only(locked: Served) -> None:
    assert locked.container["HostConfig"]["ReadonlyRootfs"] is True
    assert "Read-only" in locked.inside("touch /usr/bin/evil 2>&1; true")


def test_it_can_only_read_the_model(locked: Served, model: Path) -> None:
    inside = f"/mnt/models/{model.name}"

    assert locked.inside(f"head -c4 {inside}") == "GGUF"
    assert "ro" in locked.mount_options(inside)
    assert locked.inside(f"(echo >>{inside}) 2>/dev/null || echo refused") == "refused"


def test_it_sees_nothing_else_of_the_host(locked: Served, model: Path) -> None:
    sources = {mount["Source"] for mount in locked.container["Mounts"] if mount["Type"] == "bind"}

    assert sources == {str(model), str(locked.directory())}


def test_it_may_write_to_its_own_tmp(locked: Served) -> None:
    assert locked.inside("echo yes >/tmp/x && cat /tmp/x && rm /tmp/x") == "yes"


def test_it_may_run_nothing_from_there_and_not_fill_it_without_end(locked: Served) -> None:
    run = "cp /bin/busybox /tmp/x && /tmp/x true 2>&1; rm /tmp/x"

    assert "denied" in locked.inside(run)
    assert locked.tmpfs_options("/tmp")["size"] == str(2**20) + "k"  # noqa: S108 (the container's own)


def test_its_memory_is_limited_where_the_engine_can_limit_it(locked: Served, model: Path) -> None:
    if locked.cli.service.account is None:
        expected = 2 * model.stat().st_size + 2**32
        assert locked.inside(MEMORY_LIMIT) == str(expected - expected % PAGE)
    else:
        assert locked.container["HostConfig"]["Memory"] == 0


def test_its_only_network_is_its_own_loopback(locked: Served) -> None:
    assert locked.container["HostConfig"]["NetworkMode"] == "none"
    assert locked.inside("ls /sys/class/net") == "lo"
    assert not locked.container["NetworkSettings"]["Ports"]


def test_it_listens_on_no_port(locked: Served) -> None:
    tables = [(locked.proc / "net" / name).read_text() for name in ("tcp", "tcp6", "udp", "udp6")]

    assert [table.count("\n") for table in tables] == [1, 1, 1, 1]  # their headings


def test_its_socket_is_in_a_directory_of_the_caller_alone(locked: Served) -> None:
    for directory in (locked.directory(), locked.cli.run_dir):
        status = directory.stat()
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o700, locked.cli.uid)
    assert [path.name for path in locked.directory().iterdir()] == ["api.sock"]


def test_the_caller_reaches_it_and_no_other_user_does(locked: Served) -> None:
    path = str(locked.directory() / "api.sock")
    with locked.cli.server() as client:
        assert client.get("/health").status_code == 200

    nobody = (program("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups")
    connect = f"import socket; socket.socket(socket.AF_UNIX).connect({path!r})"
    done = subprocess.run(
        [*nobody, "/usr/bin/python3", "-c", connect], capture_output=True, check=False
    )
    assert b"PermissionError" in done.stderr


def test_it_keeps_selinux_separation_and_its_labels_say_whose_it_is(locked: Served) -> None:
    assert "label=disable" not in (locked.container["HostConfig"]["SecurityOpt"] or [])
    assert locked.container["Config"]["Labels"]["ai.ramalama.engine"] == locked.cli.service.kind


def test_privileged_takes_the_locks_away_and_still_answers(privileged: Served) -> None:
    assert privileged.container["HostConfig"]["Privileged"] is True
    assert privileged.container["HostConfig"]["ReadonlyRootfs"] is False
    assert int(privileged.status("CapBnd")[0], 16) == _all_capabilities()
    assert privileged.status("NoNewPrivs") == ["0"]
    assert privileged.status("Seccomp") == ["0"]
    privileged.terminal.sendline("Hello!")
    privileged.terminal.expect_exact(PROMPT)


def test_privileged_is_not_a_way_to_the_network(privileged: Served) -> None:
    assert privileged.container["HostConfig"]["NetworkMode"] == "none"


@pytest.mark.parametrize("cli", ["docker"], indirect=True)
def test_docker_gives_privileges_unless_it_has_not_all_of_them_itself(
    cli: Cli, docker_engine: Engine, model: Path
) -> None:
    done = cli.run("run", "--privileged", *SMALL, *saying("Yes."), str(model), "Are you?")

    # Docker 20.10 insists on every capability that the kernel knows, and a virtual machine may lack
    # one.
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    is_new = int(docker_engine.info.version.partition(".")[0]) >= 26
    if is_new or _all_capabilities() == 2 ** (last + 1) - 1:
        assert done == Done(code=0, out="Yes.\n")
    else:
        assert (done.code, "operation not permitted" in done.complaint) == (125, True)


def _all_capabilities() -> int:
    """Return those that this process may ever have, which is all that an engine can give."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("CapBnd:")).split()[1], 16)
