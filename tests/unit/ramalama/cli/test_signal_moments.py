"""Ctrl-C at every moment at which Python looks for signals: what was taken is given back.

Each action is repeated, and Ctrl-C comes one moment later every time, until the action ends before
it. The moments are CPython's own: at the beginning of a function, after a call of something that is
written in C, and where a loop begins its next round (``CHECK_EVAL_BREAKER`` in ``ceval.c``).
"""

from __future__ import annotations

import _imp
import dis
import importlib
import io
import logging
import signal
import sys
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from itertools import count
from typing import TYPE_CHECKING

import pytest

from ramalama.cli.signals import handled_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import CodeType, FrameType

    from _typeshed import TraceFunction

    from ramalama.cli.signals import Signals

# The alarm is pytest-timeout's too, unless it uses a thread.
pytestmark = pytest.mark.timeout(60, method="thread")

LOOKS = frozenset({"RESUME", "CALL", "CALL_FUNCTION_EX", "JUMP_BACKWARD"})
A_MOMENT = 0.0001  # seconds


class Moment:
    """Has a handler called at the *number*-th moment at which Python looks for signals."""

    def __init__(self, signals: Signals, number: int) -> None:
        self.landed = False
        self._signals = signals
        self._left = number
        self._looking: FrameType | None = None

    def trace(self, frame: FrameType, event: str, _: object) -> TraceFunction:
        """Count; for `sys.settrace`."""
        frame.f_trace_opcodes = True
        # What is written in Python is called without a look afterwards: its frame came between.
        is_moment = event == "opcode" and self._looking is frame
        looks = event == "opcode" and instruction(frame.f_code, frame.f_lasti) in LOOKS
        self._looking = frame if looks else None
        if is_moment and not self.landed:
            self._left -= 1
            if self._left == 0:
                self.landed = True
                # A second attempt here would meet this function, and not the one that is traced.
                signal.signal(signal.SIGALRM, signal.SIG_IGN)
                self._signals.handle(signal.SIGINT, frame)
        return self.trace


def instruction(code: CodeType, offset: int) -> str:
    return dis.opname[bytecode(code)[offset]]


@cache
def bytecode(code: CodeType) -> bytes:
    return code.co_code


def interrupt(action: Callable[[], object], number: int) -> bool:
    """Do *action* with Ctrl-C at a moment of it; False if it has fewer moments.

    What is not raised at once is raised after it.
    """
    before = sys.gettrace()
    with handled_signals() as signals:
        moment = Moment(signals, number)
        sys.settrace(moment.trace)
        try:
            action()
        finally:
            sys.settrace(before)
            signal.signal(signal.SIGALRM, signals.handle)
        if moment.landed:
            signal.raise_signal(signal.SIGALRM)
    return False


def interrupted_everywhere(action: Callable[[], object]) -> Generator[int]:
    """Interrupt *action* at one moment after the other, and yield their numbers."""
    for number in count(1):
        try:
            if not interrupt(action, number):
                assert number > 1
                return
        except KeyboardInterrupt:
            yield number


def is_done_in_a_thread(work: Callable[[], object]) -> bool:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10)
    return not thread.is_alive()


class PythonLock:
    """A lock that is written in Python, as that of httpcore is."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *exc: object) -> None:
        self.lock.release()


def test_a_lock_is_given_back() -> None:
    guard = PythonLock()

    def take() -> None:
        with guard:
            pass

    for number in interrupted_everywhere(take):
        assert not guard.lock.locked(), number


def test_what_is_entered_is_left() -> None:
    lock = threading.Lock()

    @contextmanager
    def held() -> Generator[None]:
        with lock:
            yield

    def take() -> None:
        with ExitStack() as stack:
            stack.enter_context(held())
        with ExitStack() as stack:
            stack.enter_context(lock)

    for number in interrupted_everywhere(take):
        assert not lock.locked(), number


def test_the_lock_of_an_event_is_given_back() -> None:
    event = threading.Event()

    for number in interrupted_everywhere(lambda: event.wait(A_MOMENT)):
        assert is_done_in_a_thread(event.set), number
        event.clear()


def test_a_wait_for_a_future_ends_with_ctrl_c_and_nothing_else() -> None:
    future: Future[None] = Future()

    def wait() -> None:
        with suppress(FutureTimeoutError):
            future.result(A_MOMENT)

    for number in interrupted_everywhere(wait):
        assert is_done_in_a_thread(future.done), number


def test_other_threads_can_make_loggers() -> None:
    names = (f"{__name__}.{number}" for number in count())

    def make() -> None:
        logging.getLogger(next(names)).isEnabledFor(logging.DEBUG)

    for number in interrupted_everywhere(make):
        assert is_done_in_a_thread(make), number


def test_other_threads_can_log() -> None:
    handler = logging.StreamHandler(io.StringIO())
    record = logging.makeLogRecord({"msg": "a line"})

    for number in interrupted_everywhere(lambda: handler.handle(record)):
        assert is_done_in_a_thread(lambda: handler.handle(record)), number


def test_other_threads_can_import() -> None:
    def load() -> None:
        with suppress(ModuleNotFoundError):
            importlib.import_module("a_module_that_is_not_there")

    for number in interrupted_everywhere(load):
        assert not _imp.lock_held(), number
