"""An engine that takes requests and never answers: the command says so, and leaves when told."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final

import pytest

from tests.integration.cli import (
    ENDLESS,
    LOOP,
    PROMPT,
    SMALL,
    Cli,
    Done,
    eventually,
    exit_code,
    finish,
)

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

SOON: Final = 10.0  # seconds; an engine that hangs is waited for a minute

on_podman = pytest.mark.parametrize("cli", ["podman"], indirect=True)


def waiting(cli: Cli, *, again: bool) -> str:
    press = "Ctrl-C again" if again else "Ctrl-C"
    what = f"{cli.service.kind} to remove the container"
    return f"Waiting for {what}; press {press} to leave it to the next command"


def told(process: subprocess.Popen[str]) -> str:
    """Return the next line on stderr."""
    assert process.stderr is not None
    return process.stderr.readline().rstrip("\n")


def assert_the_next_command_cleans_up(cli: Cli) -> None:
    assert cli.containers()
    assert cli.run("ps", "--noheading") == Done(code=0)
    assert cli.leftovers() == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_the_second_signal_leaves_the_clean_up_to_the_next_command(
    cli: Cli, model: Path, number: signal.Signals, code: int
) -> None:
    with cli.start("run", *ENDLESS, str(model), "Count.") as process:
        assert process.stdout is not None
        process.stdout.read(1)
        with cli.service.hanging():
            began = time.monotonic()
            process.send_signal(number)
            line = told(process)
            process.send_signal(number)
            done = finish(process)
            took = time.monotonic() - began

    assert (line, done.code, done.err) == (waiting(cli, again=True), code, "")
    assert took < SOON
    assert_the_next_command_cleans_up(cli)


@on_podman
@pytest.mark.parametrize("verb", ["run", "serve"])
def test_it_does_so_while_the_server_starts(cli: Cli, model: Path, verb: str) -> None:
    with cli.start(verb, *ENDLESS, str(model)) as process:
        eventually(lambda: cli.container_of(process.pid))
        with cli.service.hanging():
            process.send_signal(signal.SIGINT)
            line = told(process)
            process.send_signal(signal.SIGINT)
            done = finish(process)

    assert (line, done.code) == (waiting(cli, again=True), 130)
    assert_the_next_command_cleans_up(cli)


@on_podman
def test_after_a_complete_answer_the_first_ctrl_c_does(cli: Cli, model: Path) -> None:
    with cli.terminal("run", *LOOP, *SMALL, str(model)) as terminal:
        terminal.expect_exact(PROMPT)
        with cli.service.hanging():
            terminal.sendline("/bye")
            terminal.expect_exact(waiting(cli, again=False))
            terminal.sendintr()

            assert exit_code(terminal) == 130

    assert_the_next_command_cleans_up(cli)


@on_podman
def test_an_engine_that_goes_on_is_waited_for(cli: Cli, model: Path) -> None:
    with cli.start("run", *ENDLESS, str(model), "Count.") as process:
        assert process.stdout is not None
        process.stdout.read(1)
        with cli.service.hanging():
            process.send_signal(signal.SIGINT)
            line = told(process)
        done = finish(process)

    assert (line, done.code, done.err) == (waiting(cli, again=True), 130, "")
    assert cli.leftovers() == []
