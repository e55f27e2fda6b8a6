"""A server that runs already: it is used without a word to its engine, as long as it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import LOOP, PROMPT, SMALL, Cli, exit_code
from tests.integration.engine_proxy import proxied

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines


def test_a_warm_server_answers_while_its_engine_is_away(cli: Cli, model: Path) -> None:
    socket = cli.home / "engine.sock"
    with proxied(socket, cli.service.socket) as engine:
        user = cli.at(engine.url)
        started = user.run("serve", "-d", "-q", *SMALL, str(model))
        engine.vanish()
        answer = user.run("run", *SMALL, "--max-tokens=4", str(model), "Hello!")
        with proxied(socket, cli.service.socket):
            stopped = user.run("stop", "--all")

    assert answer.code == 0, answer.err
    assert answer.out.strip()
    assert stopped.out == started.out
    assert (cli.containers(), cli.leftovers()) == ([], [])


def test_a_talk_goes_on_while_the_engine_is_away(cli: Cli, model: Path) -> None:
    socket = cli.home / "engine.sock"
    with proxied(socket, cli.service.socket) as engine:
        user = cli.at(engine.url)
        user.run("serve", "-d", "-q", *SMALL, str(model))
        engine.vanish()
        with user.terminal("run", *LOOP, *SMALL, "--max-tokens=4", str(model)) as terminal:
            for _ in range(2):
                terminal.expect_exact(PROMPT)
                terminal.sendline("Hello!")
            terminal.expect_exact(PROMPT)
            terminal.sendline("/bye")
            code = exit_code(terminal)
        with proxied(socket, cli.service.socket):
            user.run("stop", "--all")

    assert code == 0


def test_a_warm_server_that_somebody_has_removed_is_replaced_by_a_new_one(
    cli: Cli, model: Path
) -> None:
    name = cli.run("serve", "-d", "-q", *SMALL, str(model)).out.strip()
    cli.engine("rm", "--force", name)

    answer = cli.run("run", *SMALL, "--max-tokens=4", str(model), "Hello!")

    assert answer.code == 0, answer.err
    assert answer.out.strip()
    assert (cli.containers(), cli.leftovers()) == ([], [])


def test_a_talk_with_a_warm_server_learns_of_its_end(cli: Cli, model: Path) -> None:
    name = cli.run("serve", "-d", "-q", *SMALL, str(model)).out.strip()
    with cli.terminal("run", *LOOP, *SMALL, "--max-tokens=4", str(model)) as terminal:
        terminal.expect_exact(PROMPT)
        terminal.sendline("Hello!")
        terminal.expect_exact(PROMPT)
        cli.engine("rm", "--force", name)
        terminal.sendline("Are you still there?")
        terminal.expect_exact("Error: ")
        code = exit_code(terminal)

    assert code == 1
    assert cli.run("ps", "--noheading").out == ""  # and removes what the server has left
    assert (cli.containers(), cli.leftovers()) == ([], [])
