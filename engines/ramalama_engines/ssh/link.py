"""One connection to a host, which is opened when it is needed, and again when it was lost."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncssh

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.ssh.connect import Attempt, close_all, connect
from ramalama_engines.ssh.patience import Patience
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ramalama_engines.ssh.asking import AskLater
    from ramalama_engines.ssh.forward import LocalEnd
    from ramalama_engines.ssh.target import SshTarget

_log = logging.getLogger(__name__)

_PATIENCE: Final = 15  # seconds for what the host does at once unless it hangs
_PAUSE: Final = 1  # seconds after a failure, before the next try
_FAREWELL: Final = 1  # seconds to close the connection


_CLOSED: Final = "SSH connection closed"  # asyncssh's reason for a channel of a dead connection

# A UNIX socket of the host, or a port of a host that it reaches.
Goal: TypeAlias = str | tuple[str, int]


class Link:
    """The connection to *target*; everything but its making belongs to the loop's thread.

    Attributes:
        ends: the local sides of all streams that are led through it.
    """

    def __init__(
        self, target: SshTarget, *, identity_file: Path | None = None, is_machine: bool = False
    ) -> None:
        self.target = target
        self._identity_file = identity_file
        self._is_machine = is_machine
        self._path: Sequence[asyncssh.SSHClientConnection] = ()
        self._session: asyncio.Future[asyncssh.SFTPClient | None] | None = None
        self.ends: set[LocalEnd] = set()
        self._opening = asyncio.Lock()
        self._is_over = False
        self._patience = Patience()
        self._failure: EngineUnavailable | None = None
        self._may_try_at = 0.0

    async def open(self, ask: AskLater) -> asyncssh.SSHClientConnection:
        """Return the connection; open it if there is none, or it was lost.

        Raises:
            EngineUnavailable: it is not possible.
        """
        async with self._opening:
            if self._is_over:
                msg = f"ssh to {self.target.name}: the connection was closed"
                raise EngineUnavailable(msg)
            if not self._path or self._path[0].is_closed():
                close_all(self._path)
                self._path = ()
                return await self._connect(ask)
            return self._path[0]

    async def _connect(self, ask: AskLater) -> asyncssh.SSHClientConnection:
        # A program that polls a forwarded socket must not queue up one try for each poll. Nor is a
        # host waited for again that has just not answered, to be asked why a server has ended.
        if self._failure and time.monotonic() < self._may_try_at:
            raise EngineUnavailable(self._failure.message, hint=self._failure.hint)
        try:
            self._path = await connect(
                self.target,
                Attempt(ask, self._patience),
                identity_file=self._identity_file,
                is_machine=self._is_machine,
            )
        except EngineUnavailable as exc:
            self._failure, self._may_try_at = exc, time.monotonic() + _PAUSE
            raise
        self._failure = None
        connection = self._path[0]
        self._begin_session(connection)
        return connection

    async def sftp(self, ask: AskLater) -> asyncssh.SFTPClient | None:
        """Return a client of the host's SFTP service; None if it has none."""
        connection = await self.open(ask)
        assert self._session is not None  # noqa: S101 (it begins with the connection)
        client = await asyncio.shield(self._session)
        if client is None and connection.is_closed():
            raise self._hangs()
        return client

    def _begin_session(self, connection: asyncssh.SSHClientConnection) -> None:
        """Start the first session, which takes 50 ms; only who needs its files waits for it."""
        self._session = asyncio.ensure_future(_first_session(connection))

    async def run(self, command: str, ask: AskLater) -> str:
        """Return the first line that a command writes; "" if it may not be run."""
        connection = await self.open(ask)
        try:
            async with asyncio.timeout(_PATIENCE):
                result = await connection.run(command, check=False, errors="replace")
        except (OSError, asyncssh.Error):
            return ""
        return one_line(str(result.stdout or "").partition("\n")[0])

    async def attach(self, end: LocalEnd, goal: Goal, ask: AskLater) -> None:
        """Lead *end* to *goal* by a new channel; open the connection again if it is dead.

        Raises:
            EngineUnavailable: there is no connection.
            ChannelOpenError: the host refuses the channel.
        """
        for is_last in (False, True):
            connection = await self.open(ask)
            try:
                async with asyncio.timeout(_PATIENCE):
                    await _open_channel(connection, end, goal)
            except TimeoutError as exc:
                connection.abort()
                if is_last:
                    raise self._hangs() from exc
            except (asyncssh.ConnectionLost, ConnectionError) as exc:
                if is_last:
                    raise self._hangs() from exc
            except asyncssh.ChannelOpenError as exc:
                if is_last or not (connection.is_closed() or exc.reason == _CLOSED):
                    raise
                await connection.wait_closed()
            else:
                return

    def _hangs(self) -> EngineUnavailable:
        msg = f"ssh to {self.target.name}: the connection was lost"
        return EngineUnavailable(msg, hint="is the host still up?")

    async def renew_sftp(self) -> None:
        """Replace a client whose session has ended, with the whole connection or alone."""
        if not self._path:  # another thread has found the connection lost, and no new one
            return
        connection = self._path[0]
        try:
            async with asyncio.timeout(_FAREWELL):
                await connection.wait_closed()
        except TimeoutError:
            self._begin_session(connection)

    def begin_to_close(self) -> None:
        """Open no connection any more."""
        self._is_over = True

    async def close(self) -> None:
        """Close the connection for good; do not wait for a host that does not answer."""
        self.begin_to_close()
        for end in tuple(self.ends):
            end.abort()
        path, self._path = self._path, ()
        close_all(path)
        try:
            async with asyncio.timeout(_FAREWELL):
                for connection in path:
                    await connection.wait_closed()
        except TimeoutError:
            for connection in path:
                connection.abort()


async def _first_session(connection: asyncssh.SSHClientConnection) -> asyncssh.SFTPClient | None:
    """Start a session, so that sshd sends small packets at once; return its files if it has any.

    Without a session sshd leaves Nagle's algorithm on, and a stream of tokens stalls for 40 ms
    every few tokens: sshd sets TCP_NODELAY when a session starts a command or a subsystem.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            return await connection.start_sftp_client(path_errors="surrogateescape")
    except (OSError, asyncssh.Error, ValueError) as exc:
        _log.debug("ssh: no SFTP: %s", one_line(str(exc)))
    try:
        async with asyncio.timeout(_PATIENCE):
            await connection.run("true", check=False)
    except (OSError, asyncssh.Error) as exc:
        _log.debug("ssh: no session: %s", one_line(str(exc)))
    return None


async def _open_channel(
    connection: asyncssh.SSHClientConnection, end: LocalEnd, goal: Goal
) -> None:
    # asyncssh's forwarder is no subclass of its sessions, though it is made to be one.
    session: Any = end.far_side
    if isinstance(goal, str):
        await connection.create_unix_connection(session, goal)
    else:
        await connection.create_connection(session, *goal)
