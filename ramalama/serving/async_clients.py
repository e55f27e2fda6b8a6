"""Asynchronous OpenAI clients, one for each event loop, since connections belong to a loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ramalama_chat.client.client import open_async_client
from ramalama_chat.client.endpoint import UrlEndpoint

if TYPE_CHECKING:
    import openai

    from ramalama_chat.client.endpoint import Endpoint


class AsyncClients:
    """The asynchronous clients of one process for one server; usable from any thread.

    A caller that runs no asyncio loop, for example with trio, gets one client more.
    """

    def __init__(self, endpoint: Endpoint | UrlEndpoint) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._of_loops = WeakKeyDictionary[asyncio.AbstractEventLoop, "openai.AsyncOpenAI"]()
        self._without_loop: openai.AsyncOpenAI | None = None

    def open(self) -> openai.AsyncOpenAI:
        """Return the client of the running loop."""
        loop = _running_loop()
        with self._lock:
            if loop is None:
                if self._without_loop is None:
                    self._without_loop = _open(self._endpoint)
                return self._without_loop
            self._forget_closed_loops()
            if loop not in self._of_loops:
                self._of_loops[loop] = _open(self._endpoint)
            return self._of_loops[loop]

    async def close_own(self) -> None:
        """Close the client of the running loop, and the one without a loop."""
        loop = _running_loop()
        with self._lock:
            clients = [self._without_loop, None if loop is None else self._of_loops.pop(loop, None)]
            self._without_loop = None
        for client in clients:
            if client is not None:
                await client.close()

    def close(self) -> None:
        """Have each loop that still runs close its client, soon; nothing is waited for."""
        with self._lock:
            clients = dict(self._of_loops)
            self._of_loops.clear()
            self._without_loop = None
        for loop, client in clients.items():
            _close_soon(loop, client)

    def _forget_closed_loops(self) -> None:
        """Drop the clients of loops that are gone: nothing can be awaited in them any more."""
        for loop in [each for each in self._of_loops if each.is_closed()]:
            del self._of_loops[loop]


def _open(endpoint: Endpoint | UrlEndpoint) -> openai.AsyncOpenAI:
    if isinstance(endpoint, UrlEndpoint):
        from ramalama_chat.client.remote import open_async_remote  # noqa: PLC0415 (rarely used)

        return open_async_remote(endpoint.url, api_key=endpoint.api_key)
    return open_async_client(endpoint)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


_closing: set[asyncio.Task[None]] = set()  # a loop itself has only weak references to tasks


def _close_soon(loop: asyncio.AbstractEventLoop, client: openai.AsyncOpenAI) -> None:
    def begin() -> None:
        task = loop.create_task(client.close())
        _closing.add(task)
        task.add_done_callback(_closing.discard)

    try:
        loop.call_soon_threadsafe(begin)
    except RuntimeError:  # the loop is closed: nothing can be awaited in it any more
        return
