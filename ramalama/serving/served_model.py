"""A model that some server answers for: its clients, chats, and questions to the server."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self, TypedDict

from ramalama.serving.query_methods import QueryMethods
from ramalama_chat.client.endpoint import UrlEndpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    import openai

    from ramalama.serving.async_clients import AsyncClients
    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_chat.session.async_session import AsyncChatSession
    from ramalama_chat.session.session import BaseSession, ChatSession


class ServedModel(QueryMethods):
    """A model that a server answers for; a context manager that calls `close` or `aclose`.

    It may be used from any thread, in any number of event loops, and in processes that are forked:
    each process has connections of its own.

    Attributes:
        endpoint: the address where the server listens.
        model: the name of the model in requests.
    """

    def __init__(self, endpoint: Endpoint | UrlEndpoint, *, model: str) -> None:
        self._endpoint = endpoint
        self._model = model
        self._opener = os.getpid()
        self._clients = _Clients(endpoint)
        self._closing = ExitStack()
        self._closed = False

    @property
    def endpoint(self) -> Endpoint | UrlEndpoint:
        """The address where the server listens."""
        return self._endpoint

    @property
    def model(self) -> str:
        """The name of the model in requests."""
        return self._model

    def client(self) -> openai.OpenAI:
        """Return an OpenAI client for this server, the same one at each call in one process.

        It raises OpenAI's errors; `chat_errors` turns them into ours. For llama.cpp, give
        ``stream=True`` to what may be cancelled: otherwise the server goes on to its end.
        """
        return self._own_clients().open()

    def async_client(self) -> openai.AsyncOpenAI:
        """Return an asynchronous client for the running event loop, the same one at each call.

        It is like that of `client`. `aclose` in this loop closes it, and `close` does so as soon as
        the loop can.
        """
        return self._own_clients().open_async()

    def chat(self, *, system: str | None = None) -> ChatSession:
        """Begin a conversation; *system* replaces the system prompt of the model's author."""
        from ramalama_chat.session.session import (  # noqa: PLC0415 (openai is slow to import)
            ChatSession,
        )

        session = ChatSession(self.client(), model=self.model, **self._opening(system))
        self._prepare(session)
        return session

    def achat(self, *, system: str | None = None) -> AsyncChatSession:
        """Begin a conversation in the running event loop; see `chat`."""
        from ramalama_chat.session.async_session import (  # noqa: PLC0415 (as above)
            AsyncChatSession,
        )

        session = AsyncChatSession(self.async_client(), model=self.model, **self._opening(system))
        self._prepare(session)
        return session

    def close(self) -> None:
        """Close the clients, and what was opened with this object; further calls do nothing.

        In a process that was forked meanwhile, this does nothing.
        """
        if not self._is_own():
            return
        self._closed = True
        with ExitStack() as steps:  # each is taken, whatever becomes of those before it
            steps.callback(self._closing.close)
            steps.callback(self._leave)
            steps.callback(self._clients.close)

    async def aclose(self) -> None:
        """Do the same as `close`, without blocking the event loop."""
        if not self._is_own():
            return
        from ramalama.system.threads import in_thread  # noqa: PLC0415 (imports asyncio)

        try:
            await self._clients.close_async()
        finally:
            await in_thread(self.close)

    async def close_async_client(self) -> None:
        """Close the client of `async_client` in the running event loop."""
        if self._is_own():
            await self._clients.close_async()

    def also_close(self, opened: ExitStack) -> None:
        """Close *opened* at the end of `close`."""
        self._closing.callback(opened.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._describe()}>"

    def _describe(self) -> str:
        return f"{self.model} at {self.endpoint}, {'closed' if self._closed else 'open'}"

    def _opening(self, system: str | None) -> Opening:
        """Return how a conversation begins."""
        return {"system": system}

    def _prepare(self, session: BaseSession) -> None:
        """Set what a conversation with this server has besides."""

    def _leave(self) -> None:
        """End the use of the server; there is nothing to do for one that runs elsewhere."""

    def _is_own(self) -> bool:
        """Return whether this process made the object, and was not forked meanwhile."""
        return os.getpid() == self._opener

    def _own_clients(self) -> _Clients:
        """Return the clients of this process: another thread may hold the lock of its parent's."""
        if self._clients.opener != os.getpid():
            self._clients = _Clients(self._endpoint)
        return self._clients


class Opening(TypedDict, total=False):
    """How a conversation begins; see `Conversation`."""

    system: str | None
    opening: Sequence[tuple[str, str]]
    stop: Sequence[str]


class _Clients:
    """The OpenAI clients of one process for one server, each opened when it is first needed."""

    def __init__(self, endpoint: Endpoint | UrlEndpoint) -> None:
        self.opener = os.getpid()
        self._endpoint = endpoint
        self._opening = threading.Lock()
        self._client: openai.OpenAI | None = None
        self._async_clients: AsyncClients | None = None

    def open(self) -> openai.OpenAI:
        with self._opening:
            if self._client is None:
                self._client = self._open()
            return self._client

    def _open(self) -> openai.OpenAI:
        endpoint = self._endpoint
        if isinstance(endpoint, UrlEndpoint):
            from ramalama_chat.client.remote import open_remote  # noqa: PLC0415 (slow to import)

            return open_remote(endpoint.url, api_key=endpoint.api_key)
        from ramalama_chat.client.client import open_client  # noqa: PLC0415 (slow to import)

        return open_client(endpoint)

    def open_async(self) -> openai.AsyncOpenAI:
        with self._opening:
            if self._async_clients is None:
                from ramalama.serving.async_clients import (  # noqa: PLC0415 (imports asyncio)
                    AsyncClients,
                )

                self._async_clients = AsyncClients(self._endpoint)
            return self._async_clients.open()

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._async_clients is not None:
            self._async_clients.close()

    async def close_async(self) -> None:
        if self._async_clients is not None:
            await self._async_clients.close_own()
