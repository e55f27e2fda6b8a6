"""Blocking calls for asyncio, each in a thread of its own, and never left to themselves."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def _nothing(_result: object = None) -> None:
    """Call nothing off, and undo nothing."""


async def in_thread(
    call: Callable[[], T],
    *,
    call_off: Callable[[], None] = _nothing,
    undo: Callable[[T], None] = _nothing,
) -> T:
    """Run *call* in a thread, and wait for its end in any case.

    A task that is cancelled meanwhile has *call_off* called, which may make *call* fail soon; a
    result that nobody will take is given to *undo*, in a thread, too. Then the task is cancelled.
    Not the loop's own pool of threads: that has few, and others need them.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    threading.Thread(target=_run, args=(call, undo, loop, done), name="ramalama-async").start()
    interrupt: asyncio.CancelledError | None = None
    while not done.done():
        try:
            await asyncio.wait((done,))
        except asyncio.CancelledError as exc:
            interrupt = exc
            call_off()
    if interrupt is None:
        return done.result()
    if done.exception() is None:
        result = done.result()
        with suppress(asyncio.CancelledError):  # once more; it is undone all the same
            await in_thread(lambda: undo(result))
    raise interrupt


def _run(
    call: Callable[[], T],
    undo: Callable[[T], None],
    loop: asyncio.AbstractEventLoop,
    done: asyncio.Future[T],
) -> None:
    try:
        result = call()
    except BaseException as exc:  # noqa: BLE001 (raised again in the task that waits)
        failure = exc
        with suppress(RuntimeError):  # the loop was closed over our heads: nobody waits
            loop.call_soon_threadsafe(lambda: done.set_exception(failure))
        return
    try:
        loop.call_soon_threadsafe(lambda: done.set_result(result))
    except RuntimeError:  # see above
        undo(result)
