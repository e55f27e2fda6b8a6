"""What becomes of open servers when a program ends: by its last line, or by SIGTERM."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# A program with a server on an engine in memory; what is printed last says what is left.
PROGRAM = """\
import os, signal, sys, threading, time, atexit
from pathlib import Path
import ramalama
from tests.unit.ramalama.serving.servers import ServerFixture

servers = ServerFixture(root=Path(sys.argv[1]))

@atexit.register
def tell():
    print("clean" if servers.is_clean() else "left", flush=True)

handle = servers.ramalama()
"""
OPEN = "server = handle.start(servers.options)\n"
TERM = "os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(60)\n"


def run(tmp_path: Path, text: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + text, str(tmp_path)],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    return done.returncode, [*done.stdout.split(), *done.stderr.splitlines()[-1:]]


def test_a_server_that_was_not_closed_is_closed_when_the_program_ends(tmp_path: Path) -> None:
    assert run(tmp_path, OPEN + "sys.exit(3)") == (3, ["clean"])


def test_one_that_was_closed_is_not_closed_again(tmp_path: Path) -> None:
    assert run(tmp_path, OPEN + "server.close()") == (0, ["clean"])


def test_a_forked_process_that_ends_closes_nothing(tmp_path: Path) -> None:
    fork = "child = os.fork()\nif child == 0: sys.exit()\nos.waitpid(child, 0)\n"
    asks = "assert server.running\n"

    assert run(tmp_path, OPEN + fork + asks) == (0, ["left", "clean"])


def test_sigterm_ends_a_program_without_a_word_by_default(tmp_path: Path) -> None:
    assert run(tmp_path, OPEN + TERM) == (-signal.SIGTERM, [])


@pytest.mark.parametrize(
    "text",
    [
        OPEN + TERM,
        "with handle.serve(servers.options):\n    " + TERM.replace("\n", "\n    "),
        OPEN + "threading.Timer(0.2, os.kill, (os.getpid(), 15)).start()\ntime.sleep(60)\n",
    ],
    ids=["started", "block", "later"],
)
def test_a_program_that_asks_for_it_closes_its_servers_at_sigterm(
    tmp_path: Path, text: str
) -> None:
    code, words = run(tmp_path, "ramalama.exit_on_sigterm()\n" + text)

    assert (code, words) == (128 + signal.SIGTERM, ["clean"])


def test_another_sigterm_does_not_disturb_the_end(tmp_path: Path) -> None:
    text = f"""\
ramalama.exit_on_sigterm()
{OPEN}
@atexit.register
def again():
    os.kill(os.getpid(), signal.SIGTERM)
{TERM}"""

    assert run(tmp_path, text) == (128 + signal.SIGTERM, ["clean"])


def test_a_program_that_handles_sigterm_itself_goes_on_doing_so(tmp_path: Path) -> None:
    own = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"

    assert run(tmp_path, f"{own}ramalama.exit_on_sigterm()\n{OPEN}{TERM}") == (7, ["clean"])


def test_another_thread_than_the_main_one_is_refused(tmp_path: Path) -> None:
    text = """\
def call():
    try:
        ramalama.exit_on_sigterm()
    except ValueError:
        print("refused")
thread = threading.Thread(target=call); thread.start(); thread.join()
"""

    assert run(tmp_path, text)[1] == ["refused", "clean"]
