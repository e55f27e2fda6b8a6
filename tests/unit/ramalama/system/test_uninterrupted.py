"""Calls that a signal must not cut in two."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

import pytest

from ramalama.system.uninterrupted import run_uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType

    from _typeshed import TraceFunction


def interrupt() -> None:
    """Press Ctrl-C, and give the main thread the time to notice."""
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)


@contextmanager
def handled(handler: Callable[[int, FrameType | None], object]) -> Generator[None]:
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_calls_value_is_returned() -> None:
    assert run_uninterrupted(lambda: "container") == "container"


def test_what_the_call_raises_is_raised() -> None:
    def fail() -> None:
        msg = "the engine refuses"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="the engine refuses"):
        run_uninterrupted(fail)


@pytest.mark.parametrize("times", [1, 3])
def test_ctrl_c_lets_the_call_finish_and_is_raised_after_it(times: int) -> None:
    done: list[str] = []

    def create() -> None:
        done.append("begun")
        for _ in range(times):
            interrupt()
        done.append("finished")

    with pytest.raises(KeyboardInterrupt):
        run_uninterrupted(create)

    assert done == ["begun", "finished"]


def test_ctrl_c_is_not_lost_if_the_call_fails_too() -> None:
    def fail() -> None:
        interrupt()
        raise ValueError

    with pytest.raises(KeyboardInterrupt):
        run_uninterrupted(fail)


def test_whatever_a_handler_raises_waits_in_the_same_way() -> None:
    done: list[str] = []

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(143)

    def create() -> None:
        interrupt()
        done.append("finished")

    with handled(leave), pytest.raises(SystemExit, match="143"):
        run_uninterrupted(create)

    assert done == ["finished"]


def test_a_signal_that_raises_nothing_changes_nothing() -> None:
    heard: list[int] = []

    def create() -> str:
        interrupt()
        return "container"

    with handled(lambda number, _: heard.append(number)):
        value = run_uninterrupted(create)

    assert (value, heard) == ("container", [signal.SIGINT])


class Blow:
    """Raises KeyboardInterrupt before one instruction of what is called, as a handler may."""

    def __init__(self, number: int) -> None:
        self.landed = False
        self._left = number

    def trace(self, frame: FrameType, event: str, _: object) -> TraceFunction:
        """Count; for `sys.settrace`."""
        frame.f_trace_opcodes = True
        if event == "opcode" and not self.landed:
            self._left -= 1
            if self._left == 0:
                self.landed = True
                raise KeyboardInterrupt
        return self.trace


def test_ctrl_c_before_any_instruction_leaves_no_call_half_done() -> None:
    steps: list[str] = []

    def create() -> None:
        steps.append("begun")
        time.sleep(0.001)
        steps.append("finished")

    outcomes: list[tuple[str, ...]] = []
    before = sys.gettrace()
    for number in count(1):
        steps.clear()
        blow = Blow(number)
        sys.settrace(blow.trace)
        try:
            run_uninterrupted(create)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        outcomes.append(tuple(steps))
        if not blow.landed:
            break

    assert set(outcomes) == {(), ("begun", "finished")}


def test_where_no_thread_can_be_had_the_call_runs_all_the_same() -> None:
    before = threading.stack_size(1 << 48)  # more than there are addresses
    try:
        where = run_uninterrupted(threading.current_thread)
    finally:
        threading.stack_size(before)

    assert where is threading.main_thread()
