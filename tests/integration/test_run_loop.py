"""`ramalama run MODEL` at a terminal: a prompt loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import (
    ENDLESS,
    EVERYWHERE,
    LOOP,
    PROMPT,
    SMALL,
    Cli,
    before,
    eventually,
    exit_code,
    saying,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

on_podman = pytest.mark.parametrize("cli", ["podman"], indirect=True)

YELLOW, RESET = "\x1b[33m", "\x1b[0m"
ERASE_LINE = "\r\x1b[K"  # takes away the line that says what is going on


def is_busy(cli: Cli) -> bool:
    with cli.server() as server:
        (slot,) = server.get("/slots").json()
    return bool(slot["is_processing"])


@pytest.mark.parametrize("cli", EVERYWHERE, indirect=True)
def test_each_prompt_is_answered_and_the_talk_goes_on(cli: Cli, model: Path) -> None:
    with cli.terminal("run", *LOOP, *SMALL, *saying("Blue."), str(model)) as terminal:
        terminal.expect_exact(PROMPT)
        for question in ("Which colour is the sea?", "And the sky?"):
            terminal.sendline(question)
            terminal.expect_exact(f"Blue.\r\n{PROMPT}")
        terminal.sendline("/bye")

        assert exit_code(terminal) == 0


@pytest.mark.parametrize("keys", ["\x04", "\x03", "exit\n"], ids=["Ctrl-D", "Ctrl-C", "exit"])
@on_podman
def test_at_the_prompt_there_are_several_ways_to_leave(cli: Cli, model: Path, keys: str) -> None:
    with cli.terminal("run", *LOOP, *SMALL, str(model)) as terminal:
        terminal.expect_exact(PROMPT)
        terminal.send(keys)

        assert exit_code(terminal) == 0


def test_ctrl_c_stops_the_answer_and_the_server_and_the_talk_goes_on(cli: Cli, model: Path) -> None:
    with cli.prompt_loop(*ENDLESS, str(model)) as terminal:
        for question in ("Count.", "Go on."):
            terminal.sendline(question)
            terminal.expect("[a-zA-Z0-9]+")
            assert is_busy(cli)
            terminal.sendintr()
            terminal.expect_exact(f"(stopped)\r\n{PROMPT}")
            eventually(lambda: not is_busy(cli))


@pytest.mark.parametrize(
    ("options", "env", "shown"),
    [
        pytest.param((), {}, "> Blue.\r\n> ", id="a dumb terminal"),
        pytest.param(("--prefix=ask: ",), {}, "ask: Blue.\r\nask: ", id="a prefix"),
        pytest.param(
            ("--color=always",), {}, f"> {YELLOW}Blue.{RESET}\r\n> ", id="colour all the same"
        ),
        pytest.param((), {"FORCE_COLOR": "1"}, f"> {YELLOW}Blue.{RESET}\r\n> ", id="FORCE_COLOR"),
    ],
)
@on_podman
def test_prefix_and_colour_follow_the_options_and_the_terminal(
    cli: Cli, model: Path, options: tuple[str, ...], env: Mapping[str, str], shown: str
) -> None:
    words = (*options, *SMALL, *saying("Blue."), str(model))
    with cli.terminal("run", *words, env=env) as terminal:
        terminal.sendline("Which colour?")
        terminal.expect_exact(shown)

        assert before(terminal).endswith(ERASE_LINE)


def test_control_sequences_of_the_model_never_reach_the_terminal(cli: Cli, model: Path) -> None:
    evil = "a\x1b[2Jb\x1b]0;title\x07c\x9b31md\rE\x08\x1b]52;c;ZXZpbA==\x1b\\f"
    with cli.prompt_loop(*SMALL, *saying(evil), str(model)) as terminal:
        terminal.sendline("Attack!")
        terminal.expect_exact(PROMPT)

        assert before(terminal) == "abcdEf\r\n"


def test_a_server_that_another_command_stops_ends_the_talk_at_the_next_prompt(
    cli: Cli, model: Path
) -> None:
    words = (*LOOP, *SMALL, "--name=stopped-by-another", str(model))
    with cli.terminal("run", *words) as terminal:
        terminal.expect_exact(PROMPT)
        assert cli.run("stop", "stopped-by-another").code == 0
        terminal.sendline("Are you there?")

        assert exit_code(terminal) == 1
        assert before(terminal).startswith(f"Error: the llama.cpp server of file://{model} ended")
