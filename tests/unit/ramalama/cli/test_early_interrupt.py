"""Ctrl-C before a command begins and after its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from ramalama.cli import CtrlCRaises, leave_at_ctrl_c

# What is raised in a weak reference's callback is lost, and each import ends with one.
CTRL_C = """\
import os, signal, weakref

class Thing:
    pass

def press_ctrl_c():
    thing = Thing()
    reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGINT))
    del thing
"""

BEFORE = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "ramalama.cli.dispatch":
            press_ctrl_c()

sys.meta_path.insert(0, Finder())
sys.argv = ["ramalama", "help"]
from ramalama.cli import main
main()
"""

AFTER = """
import sys
sys.argv = ["ramalama", "help"]
from ramalama.cli import main
main()
sys.stdout.flush()
press_ctrl_c()
"""


@pytest.mark.parametrize("moment", [BEFORE, AFTER], ids=["before", "after"])
def test_ctrl_c_ends_the_process_at_once_and_without_a_word(moment: str) -> None:
    program = f"{CTRL_C}{moment}\nprint('it went on')\n"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (130, "")
    assert "it went on" not in done.stdout


def test_in_between_it_raises() -> None:
    leave_at_ctrl_c()
    hasty = signal.getsignal(signal.SIGINT)

    with CtrlCRaises(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)

    assert signal.getsignal(signal.SIGINT) is hasty


def test_whoever_has_us_ignore_it_is_obeyed() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    leave_at_ctrl_c()
    os.kill(os.getpid(), signal.SIGINT)
    with CtrlCRaises():
        os.kill(os.getpid(), signal.SIGINT)

    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
