"""Run coroutines in a thread of their own, and let other threads wait for them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import CancelledError, Future, InvalidStateError
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeVar

from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ramalama_engines.ssh.asking import Ask, AskLater, Question

T = TypeVar("T")

_PATIENCE: Final = 3.0  # seconds for the thread to end; it is a daemon


@frozen(kw_only=False)
class _Asked:
    question: Question
    answer: Future[str | None]


class LoopThread:
    """An event loop in a daemon thread, which starts at once."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Callable[[AskLater], Coroutine[None, None, T]], ask: Ask) -> T:
        """Run what *work* returns, and wait for the result in the thread that calls.

        *work* gets a coroutine that asks the user a question. *ask* is called in the thread that
        calls, so that Ctrl-C ends it and the terminal is as it was.

        Raises:
            CancelledError: the thread has ended.
        """
        events: SimpleQueue[_Asked | None] = SimpleQueue()

        async def ask_later(question: Question) -> str | None:
            asked = _Asked(question, Future())
            events.put(asked)
            return await asyncio.wrap_future(asked.answer)

        with self._lock:
            if self._is_stopped:
                raise CancelledError
            future = asyncio.run_coroutine_threadsafe(work(ask_later), self._loop)
        future.add_done_callback(lambda _: events.put(None))
        try:
            while (event := events.get()) is not None:
                answer = ask(event.question)
                with contextlib.suppress(InvalidStateError):  # it is not needed any more
                    event.answer.set_result(answer)
        except BaseException:
            future.cancel()
            raise
        return future.result()

    def stop(self, last: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run what *last* returns, cancel everything else, and end the thread."""

        async def finish() -> None:
            await last()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            if others:
                await asyncio.wait(others, timeout=1)
            self._loop.stop()

        with self._lock:
            if self._is_stopped:
                return
            self._is_stopped = True
            asyncio.run_coroutine_threadsafe(finish(), self._loop)
        self._thread.join(_PATIENCE)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()
