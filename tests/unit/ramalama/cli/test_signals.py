"""Signals as exceptions: none of them is lost, and none disturbs the clean-up."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from ramalama.cli.signals import Terminated, handled_signals
from ramalama_chat import KeepAliveExpired

if TYPE_CHECKING:
    from collections.abc import Callable

# The alarm is pytest-timeout's too, unless it uses a thread.
pytestmark = pytest.mark.timeout(60, method="thread")

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def press_ctrl_c() -> None:
    send(signal.SIGINT)


def wait() -> None:
    """Wait for what a signal raises, a moment after it."""
    time.sleep(10)


def talk_for(seconds: float, talk: Callable[[], None] = wait) -> None:
    with handled_signals() as signals:
        signals.start_keepalive(seconds)
        talk()


class Thing:
    """Does something when it is no longer needed."""

    def __init__(self, last_words: Callable[[], object]) -> None:
        self._last_words = last_words

    def __del__(self) -> None:
        self._last_words()


class Stream(io.RawIOBase):
    """Does something when it is closed; Python forgets what is raised when nobody has closed it."""

    def __init__(self, on_close: Callable[[], object]) -> None:
        self._on_close = on_close

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._on_close()


class Guard:
    """A lock whose user presses Ctrl-C when it has been taken, or is to be given back."""

    def __init__(self, moment: str) -> None:
        self.lock = threading.Lock()
        self._moment = moment

    def __enter__(self) -> None:
        self.lock.acquire()
        if self._moment == "taken":
            os.kill(os.getpid(), signal.SIGINT)

    def __exit__(self, *exc: object) -> None:
        if self._moment == "given back":
            press_ctrl_c()
        self.lock.release()


class Condition(threading.Condition):
    """A condition whose user presses Ctrl-C while somebody waits, and its lock is not held."""

    def __init__(self, moment: str) -> None:
        self.lock = threading.Lock()
        self._moment = moment
        super().__init__(self.lock)

    def _release_save(self) -> None:
        self.lock.release()
        if self._moment == "released":
            os.kill(os.getpid(), signal.SIGINT)

    def _acquire_restore(self, _: None) -> None:
        if self._moment == "restored":
            os.kill(os.getpid(), signal.SIGINT)
        self.lock.acquire()


def in_a_destructor(event: Callable[[], object]) -> None:
    Thing(event)


def in_a_weak_references_callback(event: Callable[[], object]) -> None:
    thing = Thing(lambda: None)
    reference = weakref.ref(thing, lambda _: event())
    del thing
    assert reference() is None


def in_a_stream_that_nobody_closes(event: Callable[[], object]) -> None:
    Stream(event)


def in_a_library_that_swallows_everything(event: Callable[[], object]) -> None:
    with suppress(BaseException):
        event()


@pytest.mark.parametrize(
    "place",
    [
        in_a_destructor,
        in_a_weak_references_callback,
        in_a_stream_that_nobody_closes,
        in_a_library_that_swallows_everything,
    ],
)
@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (signal.SIGINT, KeyboardInterrupt),
        (signal.SIGTERM, Terminated),
        (signal.SIGHUP, Terminated),
        (signal.SIGALRM, KeepAliveExpired),
    ],
)
def test_what_is_raised_where_it_gets_lost_is_raised_again(
    capsys: pytest.CaptureFixture[str],
    place: Callable[[Callable[[], object]], None],
    number: int,
    expected: type[BaseException],
) -> None:
    def talk() -> None:
        with handled_signals() as signals:
            if number == signal.SIGALRM:
                signals.start_keepalive(1e-6)
            place(lambda: send(number))
            wait()

    with pytest.raises(expected):
        talk()

    assert capsys.readouterr() == ("", "")


def test_what_others_drop_is_still_reported() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    reported: list[type[BaseException]] = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda dropped: reported.append(dropped.exc_type)
    try:
        with handled_signals():
            in_a_weak_references_callback(fail)
    finally:
        sys.unraisablehook = before

    assert reported == [ZeroDivisionError]


def test_ctrl_c_is_a_keyboard_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), handled_signals():
        press_ctrl_c()


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
                press_ctrl_c()
            finally:
                send(second)
                press_ctrl_c()
                steps.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        talk()

    assert steps == ["cleaned up"]


@pytest.mark.parametrize("moment", ["taken", "given back"])
@pytest.mark.parametrize("afterwards", [wait, lambda: None], ids=["goes on", "ends"])
def test_what_a_block_has_is_given_back(moment: str, afterwards: Callable[[], None]) -> None:
    guard = Guard(moment)

    def talk() -> None:
        with handled_signals():
            with guard:
                pass
            afterwards()

    with pytest.raises(KeyboardInterrupt):
        talk()

    assert not guard.lock.locked()


def test_a_destructor_comes_to_its_end() -> None:
    steps: list[str] = []

    def finish() -> None:
        press_ctrl_c()
        steps.append("finished")

    def talk() -> None:
        with handled_signals():
            Thing(finish)
            wait()

    with pytest.raises(KeyboardInterrupt):
        talk()

    assert steps == ["finished"]


@pytest.mark.parametrize("moment", ["released", "restored"])
def test_whoever_waits_for_an_event_gives_its_lock_back_too(moment: str) -> None:
    """Otherwise `threading` complains of a lock that is given back twice."""
    condition = Condition(moment)

    def talk() -> None:
        with handled_signals():
            with condition:
                condition.wait(0.001)
            wait()

    with pytest.raises(KeyboardInterrupt):
        talk()

    assert not condition.lock.locked()


def test_whoever_goes_on_after_ctrl_c_hears_the_next_one() -> None:
    heard: list[int] = []

    def talk() -> None:
        with handled_signals() as signals:
            try:
                press_ctrl_c()
            except KeyboardInterrupt:
                press_ctrl_c()
                heard.append(1)
                signals.listen_again()
            time.sleep(0.02)
            heard.append(2)
            press_ctrl_c()
            heard.append(3)

    with pytest.raises(KeyboardInterrupt):
        talk()

    assert heard == [1, 2]


def test_a_request_to_end_that_comes_while_an_answer_is_stopped_is_heard_after_that() -> None:
    def talk() -> None:
        with handled_signals() as signals:
            try:
                press_ctrl_c()
            except KeyboardInterrupt:
                press_ctrl_c()
                send(signal.SIGTERM)
                press_ctrl_c()
                signals.listen_again()
            wait()

    with pytest.raises(Terminated):
        talk()


def test_a_keepalive_that_is_over_raises() -> None:
    with pytest.raises(KeepAliveExpired, match="--keepalive is over"):
        talk_for(0.01)


def test_a_keepalive_ends_what_was_stopped_before_too() -> None:
    def talk() -> None:
        with handled_signals() as signals:
            signals.start_keepalive(0.01)
            try:
                press_ctrl_c()
            except KeyboardInterrupt:
                time.sleep(0.02)  # the alarm falls on deaf ears
                signals.listen_again()
            wait()

    with pytest.raises(KeepAliveExpired):
        talk()


def test_no_library_takes_a_keepalive_that_is_over_for_an_error_of_its_own() -> None:
    def ask() -> None:
        try:
            wait()
        except Exception as exc:
            raise ConnectionError from exc

    with pytest.raises(KeepAliveExpired):
        talk_for(0.01, ask)


def test_an_alarm_of_somebody_else_ends_nothing() -> None:
    talk_for(3600, lambda: send(signal.SIGALRM))


def test_without_a_keepalive_no_alarm_is_set() -> None:
    with handled_signals() as signals:
        signals.start_keepalive(None)

        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_afterwards_everything_is_as_it_was() -> None:
    before = [sys.unraisablehook, *(signal.getsignal(number) for number in NUMBERS)]

    talk_for(3600, lambda: None)

    assert [sys.unraisablehook, *(signal.getsignal(number) for number in NUMBERS)] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("number", NUMBERS[:3])
def test_a_signal_that_our_caller_ignores_stays_ignored(number: int) -> None:
    """As `nohup` and a shell's `&` have it."""
    signal.signal(number, signal.SIG_IGN)

    with handled_signals():
        send(number)


def test_a_keepalive_is_heard_even_if_our_caller_ignores_alarms() -> None:
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        with pytest.raises(KeepAliveExpired):
            talk_for(0.01)
    finally:
        signal.signal(signal.SIGALRM, before)
