"""Servers that die, models that do not load, engines that go away: one sentence, and why."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import (
    ENDLESS,
    EVERYWHERE,
    LOOP,
    PROMPT,
    SMALL,
    Cli,
    Done,
    before,
    eventually,
    exit_code,
    finish,
    saying,
)
from tests.integration.engine_proxy import proxied

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

KILLED = (
    " ended (exit code 137): it was killed by SIGKILL, perhaps because memory ran out; allow it"
    " more with --memory, or use a smaller --ctx-size or model"
)


def server_process(cli: Cli, pid: int | None) -> int:
    """Return the process ID of the server that the command *pid* has started."""

    def find() -> int:
        container = cli.container_of(pid)
        return 0 if container is None else int(container["State"]["Pid"])

    return eventually(find)


def split_error(done: Done) -> tuple[str, list[str]]:
    """Return the sentence, and the lines of the log that follow it."""
    sentence, *tail = done.err.splitlines()
    assert all(line.startswith("  | ") for line in tail), done.err
    return sentence.removeprefix("Error: "), tail


def killed(cli: Cli, process: subprocess.Popen[str]) -> Done:
    os.kill(server_process(cli, process.pid), signal.SIGKILL)
    return finish(process)


def test_a_server_that_is_killed_in_the_middle_of_its_answer(cli: Cli, model: Path) -> None:
    with cli.start("run", *ENDLESS, str(model), "Count.") as process:
        assert process.stdout is not None
        process.stdout.read(1)
        done = killed(cli, process)

    sentence, tail = split_error(done)
    assert done.code == 137
    assert sentence == f"the llama.cpp server of file://{model}{KILLED}"
    assert any("model loaded" in line for line in tail)


def test_a_server_that_is_killed_while_it_starts(cli: Cli, model: Path) -> None:
    with cli.start("run", *SMALL, str(model), "Count.") as process:
        done = killed(cli, process)

    assert done.code == 137
    assert split_error(done)[0] == f"the llama.cpp server of file://{model}{KILLED}"


def test_a_server_that_is_killed_ends_the_prompt_loop(cli: Cli, model: Path) -> None:
    with cli.terminal("run", *LOOP, *ENDLESS, str(model)) as terminal:
        terminal.expect_exact(PROMPT)
        terminal.sendline("Count.")
        terminal.expect("[a-zA-Z]+")
        os.kill(server_process(cli, terminal.pid), signal.SIGKILL)

        assert exit_code(terminal) == 137
        assert f"Error: the llama.cpp server of file://{model}{KILLED}" in before(terminal)


@pytest.mark.parametrize("cli", EVERYWHERE, indirect=True)
def test_a_model_that_is_cut_off(cli: Cli, model: Path) -> None:
    cut = cli.home / "cut.gguf"
    with model.open("rb") as whole:
        cut.write_bytes(whole.read(1_000_000))
    done = cli.run("run", *SMALL, str(cut), "Count.")

    sentence, tail = split_error(done)
    why = "the model file is cut off or corrupt"
    assert done.code == 1
    assert sentence == f"the llama.cpp server of file://{cut} ended (exit code 1): {why}"
    assert any("failed to load model" in line for line in tail)


def test_a_model_of_an_architecture_that_nobody_knows(cli: Cli, model: Path) -> None:
    odd = cli.home / "odd.gguf"
    shutil.copyfile(model, odd)
    with odd.open("r+b") as file:
        content = file.read(4096)
        key = b"general.architecture"
        place = content.index(b"llama", content.index(key) + len(key))
        file.seek(place)
        file.write(b"lxama")
    done = cli.run("run", *SMALL, str(odd), "Count.")

    assert done.code == 1
    assert "does not know the architecture lxama" in split_error(done)[0]


def test_an_argument_that_the_server_does_not_know(cli: Cli, model: Path) -> None:
    done = cli.run("run", *SMALL, "--runtime-args", "--bogus", str(model), "Count.")

    sentence, tail = split_error(done)
    why = "it does not know the argument --bogus"
    assert done.code == 1
    assert sentence == f"the llama.cpp server of file://{model} ended (exit code 1): {why}"
    assert tail[-1] == "  | error: invalid argument: --bogus"


def test_a_prompt_that_is_longer_than_the_context(cli: Cli, model: Path) -> None:
    done = cli.run("run", *SMALL, str(model), "word " * 1000)

    assert done.code == 1
    assert "the model's context holds 256" in done.complaint


def test_an_answer_is_complete_although_the_engine_is_gone_when_it_ends(
    cli: Cli, model: Path
) -> None:
    words = (*SMALL, "--runtime-args=--ignore-eos -n 100")
    with (
        proxied(cli.home / "engine.sock", cli.service.socket) as engine,
        cli.at(engine.url).start("run", "-q", *words, str(model), "Count.") as process,
    ):
        assert process.stdout is not None
        process.stdout.read(1)
        engine.vanish()
        done = finish(process)

    assert done.code == 0
    assert done.err.count("\n") == 1
    assert done.err.startswith("Warning: ")
    assert done.err.endswith("; the next command removes the container\n")
    assert cli.files() == []
    assert cli.run("ps", "--noheading") == Done(code=0)


def test_an_engine_that_goes_while_the_server_starts(cli: Cli, model: Path) -> None:
    with (
        proxied(cli.home / "engine.sock", cli.service.socket) as engine,
        cli.at(engine.url).start("run", *SMALL, str(model), "Count.") as process,
    ):
        eventually(lambda: cli.container_of(process.pid))
        engine.vanish()
        done = finish(process)

    assert done.code == 125
    assert done.complaint
    assert cli.files() == []
    assert cli.run("ps", "--noheading") == Done(code=0)


def test_an_engine_that_comes_back_is_not_missed_in_between(cli: Cli, model: Path) -> None:
    with proxied(cli.home / "engine.sock", cli.service.socket) as engine:
        words = (*LOOP, *SMALL, *saying("Yes."), str(model))
        with cli.at(engine.url).terminal("run", *words) as terminal:
            terminal.expect_exact(PROMPT)
            engine.vanish()
            with proxied(cli.home / "engine.sock", cli.service.socket):
                terminal.sendline("Are you still there?")
                terminal.expect_exact(f"Yes.\r\n{PROMPT}")
                terminal.sendline("/bye")

                assert exit_code(terminal) == 0
