"""The host at the other end of an ssh connection."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, TypeVar

import asyncssh

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.ssh.asking import Ask, AskLater, ask_on_terminal
from ramalama_engines.ssh.files import SshFiles
from ramalama_engines.ssh.find_socket import none_found, not_reached, usual_sockets
from ramalama_engines.ssh.forward import LocalEnd
from ramalama_engines.ssh.link import Link
from ramalama_engines.ssh.listeners import Listeners
from ramalama_engines.ssh.loop_thread import Caller, LoopThread
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from ramalama_engines.address import EngineAddress
    from ramalama_engines.ssh.target import SshTarget

T = TypeVar("T")


class _OfThisProcess:
    """The thread and the connection of one process; a forked one must not use its parent's."""

    def __init__(self, link: Link, sockets: Callable[[], Path]) -> None:
        self.process = os.getpid()
        self.thread = LoopThread(link.target.name)
        self.link = link
        self.listeners = Listeners(link, sockets)

    async def close(self) -> None:
        self.link.begin_to_close()
        await self.listeners.close()
        await self.link.close()


class ForwardingHost:
    """A host whose sockets, ports and files are reached over one ssh connection."""

    def __init__(
        self,
        address: EngineAddress,
        target: SshTarget,
        sockets: Callable[[], Path],
        *,
        ask: Ask = ask_on_terminal,
    ) -> None:
        self._address = address
        self._target = target
        self._sockets = sockets
        self._ask = ask
        self._inherited: list[_OfThisProcess] = []
        self._begin()

    def _begin(self) -> None:
        self._opener = os.getpid()
        self._lock = threading.Lock()
        self._state: _OfThisProcess | None = None
        self._engine_socket = self._target.path
        self._closed = False

    @property
    def name(self) -> str:
        """The user and the host for messages, "user@host"."""
        return self._target.name

    @property
    def files(self) -> SshFiles | None:
        """The files of the host; None if its ssh service has no SFTP."""
        has_files = self.call(lambda link, caller: link.sftp(caller.ask)) is not None
        return SshFiles(self.name, self.call) if has_files else None

    def forward_socket(self, path: str) -> Path:
        """Return a socket of this host that leads to the UNIX socket *path* of the remote one."""
        self.call(lambda link, caller: link.open(caller.ask))
        return self._listen(lambda listeners: listeners.listen_at_socket(path))

    def forward_port(self, host: str, port: int, *, local: int = 0) -> int:
        """Return a port of 127.0.0.1, *local* if it is free, that leads to *port* of *host*."""
        self.call(lambda link, caller: link.open(caller.ask))
        return self._listen(lambda listeners: listeners.listen_at_port((host, port), local))

    def release(self, forwarded: Path | int) -> None:
        """End the forwarding of a socket or a port; it need not exist."""
        if self._opener == os.getpid() and self._state is not None and not self._closed:
            self._listen(lambda listeners: listeners.release(forwarded))

    def dial_engine(self) -> socket.socket:
        """Return a new connection to the engine's socket; look for it in the usual places.

        Raises:
            EngineUnavailable: there is none.
        """

        async def dial(link: Link, caller: Caller) -> socket.socket:
            ours, theirs = socket.socketpair()
            end = LocalEnd(link.ends)
            await asyncio.get_running_loop().create_unix_connection(lambda: end, sock=theirs)
            try:
                await self._lead_to_engine(link, end, caller.ask)
            except BaseException:
                ours.close()
                end.abort()
                raise
            end.start()
            return ours

        return self.call(dial)

    def call(self, work: Callable[[Link, Caller], Coroutine[None, None, T]]) -> T:
        """Run what *work* returns in the thread of the connection, and return its result.

        Raises:
            EngineUnavailable: there is no connection, or it was closed.
        """
        state = self._of_this_process()
        try:
            return state.thread.call(lambda caller: work(state.link, caller), self._ask)
        except CancelledError:
            raise self._was_closed() from None
        except (asyncssh.Error, ConnectionError) as exc:
            reason = exc.reason if isinstance(exc, asyncssh.Error) else str(exc)
            msg = f"ssh to {self.name}: {one_line(reason)}"
            raise EngineUnavailable(msg) from exc

    def close(self) -> None:
        """Close the connection; threads that wait for it get EngineUnavailable."""
        if os.getpid() != self._opener:
            self._leave_to_parent()
        with self._lock:
            self._closed = True
            state, self._state = self._state, None
        if state is not None:
            state.thread.stop(state.close)

    async def _lead_to_engine(self, link: Link, end: LocalEnd, ask: AskLater) -> None:
        if self._engine_socket is not None:
            try:
                return await link.attach(end, self._engine_socket, ask)
            except asyncssh.ChannelOpenError as exc:
                raise await not_reached(link, self._engine_socket, ask) from exc
        paths = await usual_sockets(link, ask, self._address.kind)
        for path in paths:
            try:
                await link.attach(end, path, ask)
            except asyncssh.ChannelOpenError:
                continue
            self._engine_socket = path
            return None
        raise none_found(self.name, paths)

    def _listen(self, work: Callable[[Listeners], Coroutine[None, None, T]]) -> T:
        listeners = self._of_this_process().listeners
        return self.call(lambda _link, _caller: work(listeners))

    def _of_this_process(self) -> _OfThisProcess:
        if os.getpid() != self._opener:
            self._leave_to_parent()
        with self._lock:
            if self._closed:
                raise self._was_closed()
            if self._state is None:
                identity, is_machine = self._address.identity_file, self._address.is_machine
                link = Link(self._target, identity_file=identity, is_machine=is_machine)
                self._state = _OfThisProcess(link, self._sockets)
            return self._state

    def _leave_to_parent(self) -> None:
        """Forget the connection of the parent of this forked process, but never close it."""
        if self._state is not None:
            self._inherited.append(self._state)
        self._begin()

    def _was_closed(self) -> EngineUnavailable:
        return EngineUnavailable(f"ssh to {self.name}: the connection was closed")
