"""How the user is asked, and what is said if ssh's package is missing."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pexpect
import pytest

_ASK: Final = """\
from ramalama_engines.ssh.asking import Question, ask_on_terminal
print("answer:", repr(ask_on_terminal(Question("What? ", is_secret=%s))))
"""
_MISSING: Final = """\
import sys
sys.modules["asyncssh"] = None
from ramalama_engines.address import EngineAddress
from ramalama_engines.discovery.connection import open_route
from ramalama_engines.errors import EngineUnavailable
try:
    open_route(EngineAddress(url="ssh://box"))
except EngineUnavailable as exc:
    print(exc)
"""


@pytest.mark.parametrize("is_secret", [True, False])
def test_a_secret_is_not_shown_while_it_is_typed(is_secret: bool) -> None:  # noqa: FBT001
    child: pexpect.spawn[str] = pexpect.spawn(
        sys.executable, ["-c", _ASK % is_secret], encoding="utf-8", timeout=20
    )
    try:
        child.expect_exact("What? ")
        if is_secret:
            child.waitnoecho(10)
        child.sendline("hush")
        child.expect_exact("answer: 'hush'")
        assert ("hush" in str(child.before)) is not is_secret
        child.expect(pexpect.EOF)
    finally:
        child.close()


def test_a_process_without_a_terminal_asks_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ASK % "True"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )

    assert done.stdout == "answer: None\n"
    assert done.stderr == ""


def test_a_missing_package_is_told_with_what_installs_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MISSING], capture_output=True, text=True, check=True
    )

    assert done.stdout == (
        "ssh:// needs the Python package asyncssh; pip install 'asyncssh[bcrypt]'\n"
    )
