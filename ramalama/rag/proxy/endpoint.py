"""The endpoint: it listens, in a thread with an event loop of its own, until it is closed."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self, assert_never

from ramalama.errors import OptionRefused
from ramalama.rag.proxy.client_connection import ClientConnection, Passing
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint, checked_socket
from ramalama_chat.errors import ChatError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.rag.proxy.chat_request import ChatRequest
    from ramalama.rag.proxy.relay import AnswerRelay
    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_chat.session.knowledge import Finding, Knowledge

_MOST_CLIENTS = 1024
_SEARCHES = 4  # at the same time
_log = logging.getLogger("ramalama.rag")


class RagEndpoint:
    """Listens at *listen* and passes on to *server* what comes, with what *knowledge* finds.

    A context manager: it listens within the block, and all its connections end with that. *room* is
    how many tokens the context of the server's model holds, None if it is not known.

    Attributes:
        address: where it listens, with the port that was chosen.
    """

    def __init__(
        self, listen: Endpoint, server: Endpoint, knowledge: Knowledge, *, room: int | None
    ) -> None:
        self.address = listen
        self._server = server
        self._knowledge = knowledge
        self._room = room
        self._clients = set[ClientConnection]()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ended_at = 0.0
        self._thread = threading.Thread(target=self._run, name="ramalama-rag", daemon=True)

    def __enter__(self) -> Self:
        """Begin to listen.

        Raises:
            OptionRefused: the address is in use, or is none of this host.
        """
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            msg = f"cannot listen at {self.address}: {_reason(self._failure)}"
            raise OptionRefused(msg) from self._failure
        return self

    def __exit__(self, *exc: object) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    @property
    def idle_time(self) -> float:
        """The seconds since the last request; 0 while one is being answered."""
        clients = tuple(self._clients)
        if any(each.is_busy for each in clients):
            return 0.0
        last = max((each.active_at for each in clients), default=0.0)
        return self._loop.time() - max(last, self._ended_at)

    def _run(self) -> None:
        try:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(self._listen())
        except OSError as exc:
            self._failure = exc
        finally:
            self._ready.set()
            self._loop.close()

    async def _listen(self) -> None:
        # Threads of the pool would be waited for at the end of the program if they were not idle.
        executor = ThreadPoolExecutor(_SEARCHES, thread_name_prefix="ramalama-search")
        self._loop.set_default_executor(executor)
        passing = Passing(
            connect=self._connect,
            look_up=self._look_up,
            key=_key_of(self.address),
            server_key=_key_of(self._server),
        )
        server = await self._open(passing)
        self._ended_at = self._loop.time()
        self._ready.set()
        try:
            await self._stop.wait()
        finally:
            server.close()
            for client in tuple(self._clients):
                client.abort()
            await asyncio.sleep(0)
            await self._loop.shutdown_default_executor()

    async def _open(self, passing: Passing) -> asyncio.Server:
        def accept() -> ClientConnection:
            client = ClientConnection(
                passing, self._forget, is_full=len(self._clients) >= _MOST_CLIENTS
            )
            self._clients.add(client)
            return client

        match self.address:
            case UnixEndpoint(path=path):
                return await self._loop.create_unix_server(accept, sock=_bound(path))
            case TcpEndpoint(host=host, port=port, api_key=key):
                server = await self._loop.create_server(accept, host, port)
                chosen: int = server.sockets[0].getsockname()[1]
                self.address = TcpEndpoint(host, chosen, key)
                return server
            case _:
                assert_never(self.address)

    def _forget(self, client: ClientConnection) -> None:
        self._ended_at = self._loop.time()
        self._clients.discard(client)

    async def _connect(self, relay: AnswerRelay) -> None:
        def make() -> AnswerRelay:
            return relay

        match self._server:
            case UnixEndpoint(path=path):
                with checked_socket(path) as checked:
                    await self._loop.create_unix_connection(make, checked)
            case TcpEndpoint(host=host, port=port):
                await self._loop.create_connection(make, host, port)
            case _:
                assert_never(self._server)

    async def _look_up(self, request: ChatRequest) -> Finding | None:
        search: Callable[[], Finding] = lambda: self._knowledge.look_up(  # noqa: E731
            request.question, request.earlier, self._room
        )
        try:
            return await self._loop.run_in_executor(None, search)
        except ChatError as exc:
            _log.warning("the documents could not be searched: %s", exc)
            return None


def _bound(path: str) -> socket.socket:
    """Return a socket at *path*, whose directory must be private."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        Path(path).chmod(0o600)
    except BaseException:
        listener.close()
        raise
    return listener


def _key_of(endpoint: Endpoint) -> str | None:
    return endpoint.api_key if isinstance(endpoint, TcpEndpoint) else None


def _reason(exc: BaseException) -> str:
    return (isinstance(exc, OSError) and exc.strerror) or str(exc)
