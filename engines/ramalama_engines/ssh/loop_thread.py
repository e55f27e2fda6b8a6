"""Run coroutines in a thread of their own, and let other threads wait for them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from concurrent.futures import CancelledError, Future, InvalidStateError, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ramalama_engines.ssh.asking import Ask, Question

T = TypeVar("T")

_log = logging.getLogger(__name__)

_NAME: Final = "ssh to "
_ROUNDS: Final = 10  # of the loop, in which what is cancelled and aborted comes to its end
_PATIENCE: Final = 3.0  # seconds for the thread to end; it is a daemon


def _is_news(record: logging.LogRecord) -> bool:
    """Return False for what asyncio warns of while asyncssh learns that its connection is lost."""
    return not (
        record.msg == "socket.send() raised exception." and str(record.threadName).startswith(_NAME)
    )


def _note(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keep what asyncssh leaves unanswered when a connection is lost off the user's terminal."""
    _log.debug("ssh: %s: %s", context.get("message"), context.get("exception"))


class Caller:
    """The thread that waits for a coroutine, as the coroutine sees it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._actions: SimpleQueue[Callable[[], object] | None] = SimpleQueue()

    async def ask(self, question: Question) -> str | None:
        """Ask the user in the thread that waits, so that Ctrl-C ends it as usual."""
        answer: Future[str | None] = Future()

        def action() -> None:
            given = self._ask(question)
            with contextlib.suppress(InvalidStateError):  # it is not needed any more
                answer.set_result(given)

        self.tell(action)
        return await asyncio.wrap_future(answer)

    def tell(self, action: Callable[[], object]) -> None:
        """Have *action* called in the thread that waits; an exception of it ends the wait."""
        self._actions.put(action)

    def act(self) -> None:
        """Do what the coroutine tells until it has ended."""
        while (action := self._actions.get()) is not None:
            action()

    def leave(self) -> None:
        """End `act`."""
        self._actions.put(None)


class LoopThread:
    """An event loop in a daemon thread for the host *name*, which starts at once."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        logging.getLogger("asyncio").addFilter(_is_news)
        self._workers = ThreadPoolExecutor(thread_name_prefix=name)
        self._loop.set_default_executor(self._workers)
        self._loop.set_exception_handler(_note)
        self._lock = threading.Lock()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name=f"{_NAME}{name}", daemon=True)
        self._thread.start()

    def call(self, work: Callable[[Caller], Coroutine[None, None, T]], ask: Ask) -> T:
        """Run what *work* returns, and wait for the result in the thread that calls.

        *work* gets the way to ask and to tell that thread; *ask* answers there.

        Raises:
            CancelledError: the thread has ended.
        """
        caller = Caller(ask)
        with self._lock:
            if self._is_stopped:
                raise CancelledError
            future = asyncio.run_coroutine_threadsafe(work(caller), self._loop)
        future.add_done_callback(lambda _: caller.leave())
        try:
            caller.act()
        except BaseException:
            future.cancel()
            raise
        return future.result()

    def stop(self, last: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run what *last* returns, cancel everything else, and end the thread."""

        async def finish() -> None:
            await last()
            for _ in range(_ROUNDS):  # what is cancelled or aborted may need several
                for task in asyncio.all_tasks() - {asyncio.current_task()}:
                    task.cancel()
                await asyncio.sleep(0)
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
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._loop.close()
