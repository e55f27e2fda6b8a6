"""A clean-up that takes long: the user is told, and the next signal ends the process."""

from __future__ import annotations

import os
import signal
import time

import pytest

from ramalama.cli.signals import handled_signals

# The alarm is pytest-timeout's too, unless it uses a thread.
pytestmark = pytest.mark.timeout(60, method="thread")

AGAIN = "Waiting for the clean-up to end; press Ctrl-C again to leave it to the next command\n"


class Left(Exception):
    """The process would have ended."""


@pytest.fixture(autouse=True)
def left_with(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The codes with which the process would have ended; a clean-up takes long after 10 ms."""
    codes: list[int] = []

    def leave(code: int) -> None:
        codes.append(code)
        raise Left

    monkeypatch.setattr("ramalama.cli.signals._CLEANUP_TIME", 0.01)
    monkeypatch.setattr(os, "_exit", leave)
    return codes


def send(number: int) -> None:
    os.kill(os.getpid(), number)


class CleanUp:
    """A clean-up that takes long, unless a second signal ends it."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = numbers

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        time.sleep(0.05)
        for number in self._numbers:
            send(number)
            time.sleep(0.05)


def talk(clean_up: CleanUp) -> None:
    with handled_signals(), clean_up:
        send(signal.SIGINT)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_second_signal_ends_the_process_after_the_user_was_told(
    capfd: pytest.CaptureFixture[str], left_with: list[int], number: int, code: int
) -> None:
    with pytest.raises(Left):
        talk(CleanUp(number))

    assert left_with == [code]
    assert capfd.readouterr() == ("", AGAIN)


def test_the_user_is_told_once(capfd: pytest.CaptureFixture[str], left_with: list[int]) -> None:
    with pytest.raises(KeyboardInterrupt):
        talk(CleanUp(signal.SIGALRM, signal.SIGALRM))

    assert left_with == []
    assert capfd.readouterr() == ("", AGAIN)


def test_a_signal_that_comes_in_the_clean_up_is_the_first(
    capfd: pytest.CaptureFixture[str], left_with: list[int]
) -> None:
    def end() -> None:
        with handled_signals(), CleanUp(signal.SIGTERM, signal.SIGTERM):
            pass

    with pytest.raises(Left):
        end()

    assert left_with == [143]
    assert capfd.readouterr() == ("", AGAIN.replace(" again", ""))


def test_a_command_that_expects_its_end_tells_without_a_signal(
    capfd: pytest.CaptureFixture[str], left_with: list[int]
) -> None:
    def end() -> None:
        with handled_signals() as signals:
            signals.waits_for = "podman to remove the container"
            signals.expect_end()
            time.sleep(0.05)
            send(signal.SIGINT)

    with pytest.raises(Left):
        end()

    assert left_with == [130]
    text = (
        "Waiting for podman to remove the container; press Ctrl-C to leave it to the next command\n"
    )
    assert capfd.readouterr() == ("", text)


@pytest.mark.parametrize("seconds", [0.0, 0.05], ids=["soon", "late"])
def test_a_command_that_goes_on_after_ctrl_c_hears_the_next_one_as_the_first(
    left_with: list[int], seconds: float
) -> None:
    def loop() -> None:
        with handled_signals() as signals:
            try:
                send(signal.SIGINT)
            except KeyboardInterrupt:
                time.sleep(seconds)
                signals.listen_again()
            time.sleep(0.05)
            send(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        loop()

    assert left_with == []


def test_a_terminal_that_is_closed_hides_no_signal(left_with: list[int]) -> None:
    copy = os.dup(2)
    os.close(2)
    try:
        with pytest.raises(Left):
            talk(CleanUp(signal.SIGTERM))
    finally:
        os.dup2(copy, 2)
        os.close(copy)

    assert left_with == [143]


def test_afterwards_no_alarm_is_set() -> None:
    with handled_signals() as signals:
        signals.expect_end()

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
