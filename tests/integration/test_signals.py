"""Signals and --keepalive: the command leaves when told, and takes everything with it."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import (
    ENDLESS,
    LOOP,
    PROMPT,
    SMALL,
    Cli,
    before,
    eventually,
    exit_code,
    finish,
)

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

on_podman = pytest.mark.parametrize("cli", ["podman"], indirect=True)

EXPIRED = "Error: the time given by --keepalive is over\n"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, id="SIGINT"),
        pytest.param(signal.SIGTERM, 143, id="SIGTERM"),
        pytest.param(signal.SIGHUP, 129, id="SIGHUP"),
    ],
)
def test_a_signal_ends_an_answer_in_peace(
    cli: Cli, model: Path, number: signal.Signals, code: int
) -> None:
    with cli.start("run", *ENDLESS, str(model), "Count.") as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.send_signal(number)
        done = finish(process)

    assert (done.code, done.err) == (code, "")
    assert cli.leftovers() == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["SIGTERM", "SIGHUP"]
)
@on_podman
def test_a_signal_ends_the_wait_for_a_prompt(
    cli: Cli, model: Path, number: signal.Signals, code: int
) -> None:
    with cli.terminal("run", *LOOP, *SMALL, str(model)) as terminal:
        terminal.expect_exact(PROMPT)
        terminal.kill(number)

        assert exit_code(terminal) == code


def test_a_terminal_that_is_closed_leaves_nothing_behind(cli: Cli, model: Path) -> None:
    with cli.terminal("run", *LOOP, *ENDLESS, str(model)) as terminal:
        terminal.expect_exact(PROMPT)
        terminal.sendline("Count.")
        terminal.expect("[a-z]+")
        assert cli.container_of(terminal.pid)
        with open(os.devnull) as nothing:  # noqa: PTH123 (a device)
            os.dup2(nothing.fileno(), terminal.child_fd)  # its window is gone
        eventually(lambda: not terminal.isalive())

    assert cli.leftovers() == []


def test_ctrl_c_over_and_over_does_not_cut_the_clean_up_short(cli: Cli, model: Path) -> None:
    with cli.start("run", *ENDLESS, str(model), "Count.") as process:
        assert process.stdout is not None
        process.stdout.read(1)
        while cli.run_dir.exists() and [*cli.run_dir.iterdir()]:
            process.send_signal(signal.SIGINT)
            time.sleep(0.002)
        done = finish(process)

    assert done.code in {130, -signal.SIGINT}  # the last of them may meet the interpreter's end
    assert cli.leftovers() == []


@pytest.mark.parametrize("after_ms", range(100, 1300, 200))
def test_ctrl_c_at_any_moment_of_the_start_leaves_nothing(
    cli: Cli, model: Path, after_ms: int
) -> None:
    with cli.start("run", *ENDLESS, str(model), "Count.") as process:
        time.sleep(after_ms / 1000)
        process.send_signal(signal.SIGINT)
        done = finish(process)

    assert (done.code, done.err) == (130, "")
    assert cli.leftovers() == []


def test_keepalive_ends_a_command_in_the_middle_of_its_answer(cli: Cli, model: Path) -> None:
    done = cli.run("run", *ENDLESS, "--keepalive=1s", str(model), "Count.")

    assert (done.code, done.err) == (124, EXPIRED)
    assert done.out


@pytest.mark.parametrize("typed", ["", "Count.\n"], ids=["at the prompt", "during an answer"])
def test_keepalive_ends_the_prompt_loop(cli: Cli, model: Path, typed: str) -> None:
    with cli.terminal("run", *LOOP, *ENDLESS, "--keepalive=1s", str(model)) as terminal:
        terminal.expect_exact(PROMPT)
        terminal.send(typed)

        assert exit_code(terminal) == 124
        assert before(terminal).endswith(EXPIRED.replace("\n", "\r\n"))
