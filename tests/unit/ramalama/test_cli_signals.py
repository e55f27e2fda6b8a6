"""Signals as exceptions: once, and then never during the clean-up."""

from __future__ import annotations

import os
import signal
import time

import pytest

from ramalama.cli.signals import Terminated, handled_signals
from ramalama_chat import KeepAliveExpired

# The alarm is pytest-timeout's too, unless it uses a thread.
pytestmark = pytest.mark.timeout(60, method="thread")

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def test_ctrl_c_is_a_keyboard_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), handled_signals():
        send(signal.SIGINT)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_request_to_end_leaves_with_128_and_the_signals_number(number: int, code: int) -> None:
    with pytest.raises(Terminated) as caught, handled_signals():
        send(number)

    assert caught.value.code == code


@pytest.mark.parametrize("second", NUMBERS[:3])
def test_after_the_first_signal_the_clean_up_is_not_disturbed(second: int) -> None:
    steps: list[str] = []

    def talk() -> None:
        with handled_signals():
            try:
                send(signal.SIGINT)
            finally:
                send(second)
                send(signal.SIGINT)
                steps.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        talk()

    assert steps == ["cleaned up"]


def test_whoever_goes_on_after_ctrl_c_hears_the_next_one() -> None:
    with handled_signals() as signals:
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
        send(signal.SIGINT)
        signals.listen_again()
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_a_keepalive_that_is_over_raises() -> None:
    with handled_signals() as signals:
        signals.start_keepalive(0.01)
        with pytest.raises(KeepAliveExpired, match="--keepalive is over"):
            time.sleep(60)


def test_without_a_keepalive_no_alarm_is_set() -> None:
    with handled_signals() as signals:
        signals.start_keepalive(None)

        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_afterwards_everything_is_as_it_was() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]

    with handled_signals() as signals:
        signals.start_keepalive(3600)

    assert [signal.getsignal(number) for number in NUMBERS] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("number", NUMBERS[:3])
def test_a_signal_that_our_caller_ignores_stays_ignored(number: int) -> None:
    """As `nohup` and a shell's `&` have it."""
    signal.signal(number, signal.SIG_IGN)

    with handled_signals():
        send(number)
