"""The screen that tests look at: a command that is broken fails them, and never holds them up."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.integration.screen import Screen
from tests.lab.service import program

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def screen(request: pytest.FixtureRequest) -> Generator[Screen]:
    """The screen of a shell that runs the test's parameter."""
    words = ["-c", f"echo hello; {request.param}"]
    child: pexpect.spawn[str] = pexpect.spawn(program("sh"), words, encoding="utf-8")
    with closing(child):
        yield Screen(child)


@pytest.mark.parametrize("screen", ["sleep 60"], indirect=True)
def test_a_command_that_does_not_end_fails_the_wait_for_its_end(screen: Screen) -> None:
    screen.wait_for("hello")
    screen.patience = 0.5

    with pytest.raises(AssertionError, match="the command does not end:\nhello"):
        screen.wait_for_end()


@pytest.mark.parametrize("screen", ["sleep 60"], indirect=True)
def test_a_command_that_says_something_else_fails_the_wait(screen: Screen) -> None:
    screen.wait_for("hello")
    screen.patience = 0.5

    with pytest.raises(AssertionError, match="this is not what was waited for:\nhello"):
        screen.wait_for("bye")


@pytest.mark.parametrize("screen", ["exit 3"], indirect=True)
def test_a_command_that_has_ended_fails_the_wait_at_once(screen: Screen) -> None:
    with pytest.raises(AssertionError, match="the command has ended:\nhello"):
        screen.wait_for("bye")

    assert screen.wait_for_end() == 3
