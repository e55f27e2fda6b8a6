"""Run blocking calls for asyncio, each in its own thread, and always wait for their end."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

T = TypeVar("T")

_CHECK_INTERVAL = 0.1  # seconds


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
    CancelledError is raised. *undo* is also called if the event loop is closed, or the program
    ends, before the task gets the result. The event loop's own thread pool is not used: it is
    small, and other code of the program needs it.
    """
    in_other_thread = _CallInThread(call, undo, asyncio.get_running_loop())
    done = in_other_thread.done
    threading.Thread(target=in_other_thread.run, name="ramalama-async").start()
    cancellation: asyncio.CancelledError | None = None
    while not done.done():
        try:
            await asyncio.wait((done,))
        except asyncio.CancelledError as exc:
            cancellation = exc
            call_off()
    in_other_thread.claim()
    if cancellation is None:
        return done.result()
    if done.exception() is None:
        result = done.result()
        with suppress(asyncio.CancelledError):  # cancelled again: *undo* runs nevertheless
            await in_thread(lambda: undo(result))
    raise cancellation


class _CallInThread(Generic[T]):
    """A call in a thread, whose result belongs either to the waiting task or to *undo*.

    The event loop can be stopped and closed at any moment, and then forgets what it was given. So
    the thread keeps the result until the task has claimed it.
    """

    def __init__(
        self, call: Callable[[], T], undo: Callable[[T], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.done: asyncio.Future[T] = loop.create_future()
        self._call = call
        self._undo = undo
        self._loop = loop
        self._claimed = threading.Event()

    def claim(self) -> None:
        """Take the result for the task; the event loop must be running."""
        self._claimed.set()

    def run(self) -> None:
        """Make the call, and hand its result over."""
        try:
            result = self._call()
        except BaseException as exc:  # noqa: BLE001 (raised again in the waiting task)
            failure = exc
            with suppress(RuntimeError):  # the loop was closed meanwhile: no task waits
                self._loop.call_soon_threadsafe(lambda: self.done.set_exception(failure))
            return
        with suppress(RuntimeError):  # likewise
            self._loop.call_soon_threadsafe(lambda: self.done.set_result(result))
        if not self._is_claimed():
            self._undo(result)

    def _is_claimed(self) -> bool:
        """Wait until the task has claimed the result, or never will, and return whether it has."""
        while not self._claimed.wait(_CHECK_INTERVAL):
            if self._is_abandoned():
                # A claim may have come before the loop was closed, but none can come after.
                return self._claimed.is_set()
        return True

    def _is_abandoned(self) -> bool:
        """Return whether no task can run any more: at the end of the program, a loop is unused."""
        program_ends = not threading.main_thread().is_alive()
        return self._loop.is_closed() or (program_ends and not self._loop.is_running())


_AHEAD = 100  # items that the thread may take before the task wants them
_PATIENCE = 5.0  # seconds that an iterator may take to notice that it was closed


async def each_in_thread(items: Iterator[T]) -> AsyncGenerator[T]:
    """Yield the items of a blocking iterator, which one thread takes.

    If the task wants no more of them, the iterator is closed in the middle of its work.
    """
    taken = _ItemsInThread(items, asyncio.get_running_loop())
    thread = threading.Thread(target=taken.run, name="ramalama-async", daemon=True)
    thread.start()
    try:
        while (item := await taken.next()) is not None:
            yield item[0]
    finally:
        await in_thread(lambda: taken.end(thread))


def close_items(items: Iterator[object]) -> None:
    """Close an iterator that can be closed, even while another thread waits for its next item."""
    close = getattr(items, "close", None)
    if close is not None:
        with suppress(ValueError):  # a generator that runs cannot be closed
            close()


class _ItemsInThread(Generic[T]):
    """Items that a thread takes from an iterator, some ahead of the task that wants them."""

    def __init__(self, items: Iterator[T], loop: asyncio.AbstractEventLoop) -> None:
        self._items = items
        self._loop = loop
        self._queue = asyncio.Queue[tuple[T] | BaseException | None]()
        self._room = threading.Semaphore(_AHEAD)
        self._ended = False

    async def next(self) -> tuple[T] | None:
        """Return the next item in a tuple; None after the last."""
        item = await self._queue.get()
        if isinstance(item, BaseException):
            raise item
        self._room.release()
        return item

    def run(self) -> None:
        """Take the items."""
        end: BaseException | None = None
        try:
            for item in self._items:
                self._room.acquire()
                if self._ended:
                    return
                self._put((item,))
        except BaseException as exc:  # noqa: BLE001 (raised again in the task)
            end = exc
        self._put(end)

    def end(self, thread: threading.Thread) -> None:
        """Make *thread*, which runs `run`, end."""
        self._ended = True
        self._room.release()
        close_items(self._items)
        thread.join(_PATIENCE)

    def _put(self, item: tuple[T] | BaseException | None) -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile: no task waits
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)
