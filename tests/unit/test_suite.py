"""How a run of the tests begins: its children hear signals, and programs are not missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

IGNORING = """\
import os, signal, sys
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
STARTS_CHILDREN = """\
import os, signal, subprocess, sys
import pexpect

NUMBERS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
CHILD = "import signal; print([signal.getsignal(number) for number in (1, 2, 3, 15)])"

def heard(printed):
    return printed.count("SIG_DFL") == 3 and "default_int_handler" in printed

def test_in_a_pipe():
    assert heard(subprocess.check_output([sys.executable, "-c", CHILD], text=True))

def test_at_a_terminal():
    assert heard(pexpect.run(f'{sys.executable} -c "{CHILD}"', encoding="utf-8"))

def test_the_run_itself_goes_on():
    for number in NUMBERS:
        os.kill(os.getpid(), number)
"""
NEEDS_PROGRAMS = """\
import pytest

@pytest.mark.programs("sh", "no-such-shell")
def test_it():
    pass
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = programs\n", encoding="utf-8")
    return tmp_path


def run(directory: Path, tests: str, *before: str) -> subprocess.CompletedProcess[str]:
    """Run *tests* in a pytest of their own that has our conftest.py."""
    (directory / "test_it.py").write_text(tests, encoding="utf-8")
    pytest_words = ("-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-q")
    return subprocess.run(
        [sys.executable, *before, *pytest_words],
        cwd=directory,
        env={
            "PATH": os.environ["PATH"],
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_tests_start_hears_signals_that_their_run_ignores(directory: Path) -> None:
    done = run(directory, STARTS_CHILDREN, "-c", IGNORING)

    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_a_missing_program_is_one_line_before_the_first_test(directory: Path) -> None:
    done = run(directory, NEEDS_PROGRAMS)

    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "passed" not in done.stdout
    assert done.stderr.strip() == (
        "ERROR: tests need programs that are not installed: no-such-shell."
        " Run scripts/test, or: apt-get install no-such-shell"
    )
