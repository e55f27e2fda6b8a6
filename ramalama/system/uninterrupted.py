"""Run a call that no signal may interrupt."""

from __future__ import annotations

import _thread
import sys
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def run_uninterrupted(call: Callable[[], T]) -> T:
    """Run *call* to its end, even if signals arrive; a Ctrl-C meanwhile is raised afterwards.

    Python runs signal handlers in the main thread, between any two instructions. A request that
    creates a container could be interrupted after the engine got it and before the container's ID
    arrives here. In a thread of its own, no signal interrupts it.

    `threading.Thread` and `Event` are not used: if an exception interrupts their code, their locks
    stay locked, and every thread that needs them waits forever.
    """
    if sys.is_finalizing():  # no other thread runs any more, and no signal handler
        return call()
    running = _Call(call)
    interrupt: BaseException | None = None
    while not running.finished:
        try:
            # After an interrupt the thread may or may not exist; starting a second one does no
            # harm.
            running.run_in_thread()
            running.end.acquire()
        except BaseException as exc:  # noqa: BLE001 (any exception of a signal handler; raised below)
            interrupt = exc
    if interrupt is not None:
        raise interrupt
    return running.result()


class _Call(Generic[T]):
    def __init__(self, call: Callable[[], T]) -> None:
        self.finished = False
        self.end = _thread.allocate_lock()
        self.end.acquire()
        self._claim = _thread.allocate_lock()
        self._call = call
        self._values: list[T] = []
        self._error: BaseException | None = None

    def run_in_thread(self) -> None:
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:  # the user may not start more threads
            self._run()

    def _run(self) -> None:
        if not self._claim.acquire(blocking=False):
            return
        try:
            self._values.append(self._call())
        except BaseException as exc:  # noqa: BLE001 (raised again where the caller waits)
            self._error = exc
        finally:
            self.finished = True
            self.end.release()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._values[0]
