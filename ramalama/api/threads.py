"""Run blocking calls for asyncio, each in its own thread, and always wait for their end."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def _nothing(_result: object = None) -> None:
    """Do nothing; the default of `call_off` and `undo`."""


async def in_thread(
    call: Callable[[], T],
    *,
    call_off: Callable[[], None] = _nothing,
    undo: Callable[[T], None] = _nothing,
) -> T:
    """Run *call* in a new thread, and wait for its end even if the task is cancelled.

    If the task is cancelled, *call_off* is called, which can make *call* fail early. If *call*
    returns a result nevertheless, *undo* is called with it, in another thread. Only then
    CancelledError is raised. The event loop's own thread pool is not used: it is small, and other
    code of the program needs it.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    threading.Thread(target=_run, args=(call, undo, loop, done), name="ramalama-async").start()
    cancellation: asyncio.CancelledError | None = None
    while not done.done():
        try:
            await asyncio.wait((done,))
        except asyncio.CancelledError as exc:
            cancellation = exc
            call_off()
    if cancellation is None:
        return done.result()
    if done.exception() is None:
        result = done.result()
        with suppress(asyncio.CancelledError):  # cancelled again: *undo* runs nevertheless
            await in_thread(lambda: undo(result))
    raise cancellation


def _run(
    call: Callable[[], T],
    undo: Callable[[T], None],
    loop: asyncio.AbstractEventLoop,
    done: asyncio.Future[T],
) -> None:
    try:
        result = call()
    except BaseException as exc:  # noqa: BLE001 (raised again in the waiting task)
        failure = exc
        with suppress(RuntimeError):  # the loop was closed meanwhile: no task waits
            loop.call_soon_threadsafe(lambda: done.set_exception(failure))
        return
    try:
        loop.call_soon_threadsafe(lambda: done.set_result(result))
    except RuntimeError:  # the loop was closed: see above
        undo(result)
