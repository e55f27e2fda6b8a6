"""Where errors end."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ramalama.cli.error_boundary import run_guarded
from ramalama.errors import (
    EngineFailure,
    ModelNotFound,
    RamalamaError,
    ServerExited,
    ServerNotReady,
)
from ramalama_chat import KeepAliveExpired, RequestFailed
from ramalama_engines import ContainerConflict, EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Capture = pytest.CaptureFixture[str]


def failing(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


def test_a_command_that_succeeds_passes_its_code_on(capsys: Capture) -> None:
    assert run_guarded(lambda: 7, debug=False) == 7
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RamalamaError("what happened"), 1, "Error: what happened\n"),
        (ModelNotFound("no such model file: /a\nb"), 2, "Error: no such model file: /a\\nb\n"),
        (RequestFailed("the server said no", status=500), 1, "Error: the server said no\n"),
        (KeepAliveExpired("time is over"), 124, "Error: time is over\n"),
        (EngineFailure(ContainerConflict("taken")), 125, "Error: taken\n"),
        (
            EngineFailure(EngineUnavailable("none answers:\n  unix:///x: not there")),
            125,
            "Error: none answers:\n  unix:///x: not there\n",
        ),
        (RamalamaError("\x1b[2J"), 1, "Error: \\x1b[2J\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_on_purpose_is_a_message_and_a_code(
    capsys: Capture, error: BaseException, code: int, said: str
) -> None:
    assert run_guarded(failing(error), debug=False) == code
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize(
    "error",
    [
        ServerExited("it ended", exit_code=9, log_tail=("first", "last\x07")),
        ServerNotReady("it did not start", log_tail=("first", "last\x07")),
    ],
)
def test_a_servers_last_words_are_quoted(capsys: Capture, error: RamalamaError) -> None:
    run_guarded(failing(error), debug=False)

    assert capsys.readouterr().err == f"Error: {error}\n  | first\n  | last\\x07\n"


def test_an_error_of_nobodys_is_a_bug_and_shows_itself() -> None:
    with pytest.raises(ZeroDivisionError):
        run_guarded(failing(ZeroDivisionError()), debug=False)


def run(program: str, *, stdout: int, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Return exit code and stderr of a Python program."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    return done.returncode, done.stderr


ANSWER = """\
import sys
from ramalama.cli.error_boundary import run_guarded

def answer():
    sys.stdout.write("na\\u00efve \\U0001f9ad\\n" * 10_000)
    return 0

sys.exit(run_guarded(answer, debug=False))
"""


def test_output_that_nobody_reads_any_more_ends_us_quietly() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)

    assert run(ANSWER, stdout=write_end) == (141, "")
    os.close(write_end)


def test_what_follows_from_output_that_nobody_reads_is_told() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    program = """\
import sys
from ramalama.cli.error_boundary import run_guarded

def tell():
    try:
        print("name", flush=True)
    except OSError as exc:
        exc.add_note("all is undone")
        raise

sys.exit(run_guarded(tell, debug=False))
"""

    told = run(program, stdout=write_end)

    os.close(write_end)
    assert told == (141, "Error: standard output: Broken pipe; all is undone\n")


def test_output_that_cannot_be_written_is_an_error() -> None:
    full = os.open("/dev/full", os.O_WRONLY)

    code, err = run(ANSWER, stdout=full)

    os.close(full)
    assert (code, err) == (5, "Error: standard output: No space left on device\n")


def test_what_a_locale_cannot_write_does_not_break_off_an_answer() -> None:
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    assert run(ANSWER, stdout=subprocess.DEVNULL, env=env) == (0, "")


def test_streams_that_our_caller_has_closed_are_no_reason_to_fail() -> None:
    shell = 'exec "$0" -c "$1" <&- >&- 2>&-'

    done = subprocess.run(["/bin/sh", "-c", shell, sys.executable, ANSWER], check=False)

    assert done.returncode == 0


def test_debugging_shows_where_an_error_came_from_and_what_was_done() -> None:
    program = """\
import logging, sys
from ramalama.cli.error_boundary import run_guarded
from ramalama.errors import RamalamaError

def fail():
    logging.getLogger("ramalama.launch").debug("trying")
    raise RamalamaError("what happened")

sys.exit(run_guarded(fail, debug=True))
"""

    code, err = run(program, stdout=subprocess.DEVNULL)

    assert code == 1
    assert " ms ramalama.launch: trying\n" in err
    assert "Traceback (most recent call last)" in err
    assert err.endswith("Error: what happened\n")


COMMANDS = ["version", "--version", "version -q", "--help", "help", "run --help", "list"]


def ramalama(words: str, home: Path, redirection: str) -> subprocess.CompletedProcess[str]:
    shell = f'exec "$0" -m ramalama {words} {redirection}'
    env = os.environ | {"HOME": str(home), "XDG_DATA_HOME": "", "RAMALAMA_STORE": f"{home}/store"}
    words_of_shell = ["/bin/sh", "-c", shell, sys.executable]
    return subprocess.run(words_of_shell, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", COMMANDS)
def test_no_command_succeeds_whose_answer_cannot_be_written(tmp_path: Path, words: str) -> None:
    done = ramalama(words, tmp_path, ">/dev/full")

    assert done.returncode == 5
    assert done.stderr == "Error: standard output: No space left on device\n"


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_whose_output_is_closed_has_nothing_to_say(tmp_path: Path, words: str) -> None:
    done = ramalama(words, tmp_path, ">&-")

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("number", [2, 5, 28])
def test_an_error_that_names_no_file_is_not_blamed_on_the_output(
    capsys: Capture, number: int
) -> None:
    assert run_guarded(failing(OSError(number, os.strerror(number))), debug=False) == 5
    assert capsys.readouterr().err == f"Error: {os.strerror(number)}\n"


def test_an_absolute_path_needs_no_current_directory(tmp_path: Path) -> None:
    model = tmp_path / "m.gguf"
    model.write_bytes(b"no GGUF at all")
    shell = (
        f'mkdir {tmp_path}/gone && cd {tmp_path}/gone && rmdir {tmp_path}/gone && exec "$0" "$@"'
    )
    command = ["/bin/sh", "-c", shell, sys.executable, "-m", "ramalama", "inspect"]
    absolute, relative = (
        subprocess.run([*command, name], capture_output=True, text=True, check=False).stderr
        for name in (str(model), "./m.gguf")
    )

    assert "not a GGUF" in absolute
    assert relative == (
        "Error: the current directory has been removed; give the model's absolute path\n"
    )
