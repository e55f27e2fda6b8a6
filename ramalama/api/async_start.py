"""Start a server for asyncio: in a thread, with the cancellation of the task."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ramalama.events import ContainerCreated, ignore
from ramalama.serving.server import ModelServer
from ramalama.system.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.api.keywords import ServeKeywords
    from ramalama.events import Event


async def start_in_thread(
    start: Callable[[ServeKeywords], ModelServer], keywords: ServeKeywords
) -> ModelServer:
    """Call *start* with *keywords* in a thread; if the task is cancelled, nothing is left of it.

    The OpenAI SDK is imported while the container starts, so that the event loop need not wait.
    """
    cancelled = keywords.get("cancel") or threading.Event()
    on_event = keywords.get("on_event", ignore)
    preload = _Preload()

    def follow(event: Event) -> None:
        preload.follow(event)
        on_event(event)

    def call() -> ModelServer:
        with ExitStack() as undo:
            undo.callback(preload.join)
            server = start({**keywords, "cancel": cancelled, "on_event": follow})
            undo.enter_context(server)
            preload.finish()
            undo.pop_all()
        return server

    return await in_thread(call, call_off=cancelled.set, undo=ModelServer.close)


class _Preload:
    """Imports the OpenAI SDK in a thread."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def follow(self, event: Event) -> None:
        if isinstance(event, ContainerCreated):
            self._begin()

    def finish(self) -> None:
        """Wait until the SDK is imported; start the import if it has not begun."""
        self._begin()  # a server that already runs creates no container
        self.join()

    def join(self) -> None:
        """Wait for the import if it has begun."""
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> None:
        from ramalama_chat.preload import preload  # noqa: PLC0415 (slow import)

        if self._thread is None:
            self._thread = threading.Thread(target=preload, name="ramalama-preload")
            self._thread.start()
