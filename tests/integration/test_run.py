"""`ramalama run MODEL PROMPT`: one question, one answer, and nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import ENDLESS, EVERYWHERE, SMALL, Cli, Done, eventually, finish, saying

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

on_podman = pytest.mark.parametrize("cli", ["podman"], indirect=True)


@pytest.mark.parametrize("cli", EVERYWHERE, indirect=True)
def test_stdout_is_the_answer_and_stderr_is_empty(cli: Cli, model: Path) -> None:
    done = cli.run("run", *SMALL, *saying("The sea is blue."), str(model), "Which", "colour?")

    assert done == Done(code=0, out="The sea is blue.\n")


@pytest.mark.parametrize(
    ("words", "piped", "prompt"),
    [
        pytest.param(["what does", "this do?"], None, "what does this do?", id="arguments"),
        pytest.param([], "print(1)\n", "print(1)", id="stdin"),
        pytest.param(["what is it?"], "print(1)\n\n", "what is it?\n\nprint(1)", id="both"),
        pytest.param(["--", "-h", "é\n🦭"], "", "-h é\n🦭", id="a dash and odd letters"),
    ],
)
@on_podman
def test_the_model_hears_the_arguments_and_then_what_is_piped_in(
    cli: Cli, model: Path, words: list[str], piped: str | None, prompt: str
) -> None:
    options = (*ENDLESS, "--env=LLAMA_SERVER_SLOTS_DEBUG=1", str(model))
    stdin = subprocess.DEVNULL if piped is None else subprocess.PIPE
    with cli.start("run", *options, *words, stdin=stdin) as process:
        if process.stdin is not None:
            process.stdin.write(piped or "")
            process.stdin.close()
        assert process.stdout is not None
        process.stdout.read(1)
        with cli.server() as server:
            (slot,) = server.get("/slots").json()

    assert f"user\n{prompt}<|im_end|>" in slot["prompt"]


@on_podman
def test_a_writer_that_takes_its_time_is_waited_for(cli: Cli, model: Path) -> None:
    reading, writing = os.pipe()
    options = (*SMALL, *saying("Yes."))
    with cli.start("run", *options, str(model), "Is it?", stdin=reading) as process:
        assert process.stderr is not None
        hint = process.stderr.readline()
        os.write(writing, b"something\n")
        os.close(writing)
        done = finish(process)
    os.close(reading)

    assert hint == "Waiting for the end of standard input …\n"
    assert done == Done(code=0, out="Yes.\n")


@on_podman
def test_a_quiet_command_waits_for_a_writer_without_a_word(cli: Cli, model: Path) -> None:
    reading, writing = os.pipe()
    options = ("--quiet", *SMALL, *saying("Yes."))
    with cli.start("run", *options, str(model), "Is it?", stdin=reading) as process:
        eventually(lambda: [*cli.run_dir.glob("*/api.sock")])
        time.sleep(3)  # others have been told by then
        os.close(writing)
        done = finish(process)
    os.close(reading)

    assert done == Done(code=0, out="Yes.\n")


@on_podman
def test_ctrl_c_ends_the_wait_for_a_writer_that_never_writes(cli: Cli, model: Path) -> None:
    reading, writing = os.pipe()
    with cli.start("run", *SMALL, str(model), "Is it?", stdin=reading) as process:
        eventually(lambda: [*cli.run_dir.glob("*/api.sock")])
        process.send_signal(signal.SIGINT)
        done = finish(process)
    os.close(reading)
    os.close(writing)

    assert done == Done(code=130)


def test_a_reader_that_leaves_ends_the_answer_without_a_word(cli: Cli, model: Path) -> None:
    with cli.start("run", *ENDLESS, str(model), "Count.") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        complaints = process.stderr.read()

    assert (process.returncode, complaints) == (141, "")


@on_podman
def test_a_full_disk_is_an_error_of_one_line(cli: Cli, model: Path) -> None:
    options = (*SMALL, *saying("Yes."))
    with (
        open("/dev/full", "wb") as full,  # noqa: PTH123 (a device)
        cli.start("run", *options, str(model), "Is it?", stdout=full) as process,
    ):
        done = finish(process)

    assert done.code == 5
    assert done.complaint == "standard output: No space left on device"


@pytest.mark.parametrize("closed", [">&-", "<&- 2>&-"])
@on_podman
def test_streams_that_the_caller_has_closed_are_not_missed(
    cli: Cli, model: Path, closed: str
) -> None:
    command = cli.command("run", *SMALL, *saying("Yes."), str(model), "Is it?")
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *command]
    done = subprocess.run(shell, env=cli.env, capture_output=True, check=False)

    answer = b"" if closed == ">&-" else b"Yes.\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, answer, b"")


@on_podman
def test_what_a_locale_cannot_write_is_replaced(cli: Cli, model: Path) -> None:
    options = (*SMALL, *saying("a 🦭 b"))
    done = cli.run("run", *options, str(model), "Say.", env={"PYTHONIOENCODING": "latin-1"})

    assert done == Done(code=0, out="a ? b\n")


@on_podman
def test_timings_go_to_stderr(cli: Cli, model: Path) -> None:
    done = cli.run("run", "--timings", *SMALL, *saying("Yes."), str(model), "Is it?")

    milestones = [line.split("  ")[-1] for line in done.err.splitlines()]
    assert (done.code, done.out) == (0, "Yes.\n")
    assert milestones == [
        "command line read",
        "engine answered",
        "image ready",
        "container created",
        "container started",
        "model loaded",
        "first token",
        "answered",
        "cleaned up",
    ]


def test_an_image_that_starts_something_else_still_starts_the_server(
    cli: Cli, model: Path, llama_image: str
) -> None:
    container = cli.engine("create", llama_image)
    other = "localhost/starts-cat:1"
    try:
        cli.engine("commit", "--change=ENTRYPOINT cat", container, other)
        done = cli.run("run", *SMALL, *saying("Yes."), "--image", other, str(model), "Is it?")
    finally:
        cli.engine("rm", container)
        cli.engine("rmi", other)

    assert done == Done(code=0, out="Yes.\n")


def test_a_model_may_have_any_name(cli: Cli, model: Path) -> None:
    folder = cli.home / "-dir: 'a'\n\"b\", ü"
    folder.mkdir()
    odd = folder / "-c,source=x:ro é🦭\n$(x).gguf"
    odd.hardlink_to(model)

    done = cli.run("run", *SMALL, *saying("Yes."), str(odd), "Is it?")

    assert done == Done(code=0, out="Yes.\n")
