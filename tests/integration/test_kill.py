"""kill -9 at any moment: the next command removes what it could not.

These tests kill the command, never the engine. A Podman service that is killed while it starts a
container leaves a pair of processes, `conmon` and `runc init`, now and then (3 of 33 times). That
is Podman's own fault.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import ENDLESS, EVERYWHERE, SMALL, Cli, Done, eventually, saying

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines


def has_directory(cli: Cli, _process: subprocess.Popen[str]) -> bool:
    return bool([*cli.run_dir.glob("*")])


def has_container(cli: Cli, process: subprocess.Popen[str]) -> bool:
    return cli.container_of(process.pid) is not None


def has_started(cli: Cli, process: subprocess.Popen[str]) -> bool:
    container = cli.container_of(process.pid)
    return container is not None and container["State"]["Running"] is True


def has_socket(cli: Cli, _process: subprocess.Popen[str]) -> bool:
    return bool([*cli.run_dir.glob("*/api.sock")])


def answers(_cli: Cli, process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    return bool(process.stdout.read(1))


def cleans_up(cli: Cli, process: subprocess.Popen[str]) -> bool:
    if answers(cli, process):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.02)
    return True


MOMENTS = [has_directory, has_container, has_started, has_socket, answers, cleans_up]


def kill_when(moment: Callable[[Cli, subprocess.Popen[str]], bool], cli: Cli, *words: str) -> None:
    with cli.start("run", *words) as process:
        eventually(lambda: moment(cli, process))
        process.kill()
        process.communicate()


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_next_command_removes_what_a_killed_one_left(
    cli: Cli, model: Path, moment: Callable[[Cli, subprocess.Popen[str]], bool]
) -> None:
    kill_when(moment, cli, *ENDLESS, str(model), "Count.")

    assert cli.run("ps", "--noheading") == Done(code=0)
    assert cli.leftovers() == []


@pytest.mark.parametrize("cli", EVERYWHERE, indirect=True)
def test_the_next_run_does_so_too_and_may_have_the_same_name(cli: Cli, model: Path) -> None:
    kill_when(answers, cli, *ENDLESS, "--name=killed", str(model), "Count.")

    done = cli.run("run", *SMALL, *saying("Yes."), "--name=killed", str(model), "Are you there?")

    assert done == Done(code=0, out="Yes.\n")
    assert cli.leftovers() == []


def test_what_a_living_command_owns_is_left_alone(cli: Cli, model: Path) -> None:
    with cli.prompt_loop(*SMALL, *saying("Yes."), str(model)) as terminal:
        kill_when(answers, cli, *ENDLESS, str(model), "Count.")
        cli.run("ps")
        terminal.sendline("Are you there?")
        terminal.expect_exact("Yes.")
        own = cli.container_of(terminal.pid)

        assert own is not None
        assert [one["Id"] for one in cli.containers()] == [own["Id"]]
