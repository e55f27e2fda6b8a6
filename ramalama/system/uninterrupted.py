"""Calls that a signal must not cut in two."""

from __future__ import annotations

import _thread
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def run_uninterrupted(call: Callable[[], T]) -> T:
    """Run *call* to its end, whatever signals come; Ctrl-C meanwhile is raised after it.

    Python runs signal handlers in the main thread, between any two instructions there. A request
    that creates a container would be cut off after the engine heard it and before we learnt the
    container's ID; in a thread of its own nothing reaches it.

    Thread and Event of `threading` are not used: an exception in the middle of their own
    instructions leaves their locks taken, and everybody waits for ever.
    """
    errand = _Call(call)
    interrupt: BaseException | None = None
    while not errand.finished:
        try:
            # After an interrupt there may or may not be a thread; a second one does no harm.
            errand.run_in_thread()
            errand.end.acquire()
        except BaseException as exc:  # noqa: BLE001 (whatever a signal handler raises; kept, raised below)
            interrupt = exc
    if interrupt is not None:
        raise interrupt
    return errand.result()


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
        except RuntimeError:  # the user may have no more of them
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
