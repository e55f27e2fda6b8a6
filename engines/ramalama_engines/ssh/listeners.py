"""Sockets and ports of this host that lead to those of another one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import sys
from typing import TYPE_CHECKING, Final

import asyncssh

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.ssh.asking import do_not_ask
from ramalama_engines.ssh.forward import LocalEnd
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ramalama_engines.ssh.link import Goal, Link

_log = logging.getLogger(__name__)

_MOST_WAITING: Final = 100  # connections

# Bytes of the path of a UNIX socket; unix(7), and sys/un.h on macOS.
_LONGEST_PATH: Final = 103 if sys.platform == "darwin" else 107


class Listeners:
    """Listens; each connection gets a channel of its own. Used in the loop's thread only."""

    def __init__(self, link: Link, directory: Callable[[], Path]) -> None:
        self._link = link
        self._make_directory = directory
        self._directory: Path | None = None
        self._count = 0
        self._listeners: dict[Path | int, socket.socket] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen_at_socket(self, goal: Goal) -> Path:
        """Return the path of a new socket that leads to *goal*.

        Raises:
            EngineUnavailable: there can be no socket in the directory.
        """
        try:
            if self._directory is None:
                directory = self._make_directory()
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                directory.chmod(0o700)
                self._directory = directory
            path = self._directory / f"{self._count}"
            self._count += 1
            _check_length(path)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(path))
        except OSError as exc:
            msg = f"ssh: no socket can be made: {one_line(str(exc))}"
            raise EngineUnavailable(msg) from exc
        self._listen(path, listener, goal)
        return path

    async def listen_at_port(self, goal: Goal, wanted: int = 0) -> int:
        """Return a new port of 127.0.0.1 that leads to *goal*: *wanted*, if it is free, else any.

        Raises:
            EngineUnavailable: no port is free.
        """
        try:
            listener = _bound_to(wanted)
        except OSError as exc:
            msg = f"ssh: this host gives no port: {one_line(str(exc))}"
            raise EngineUnavailable(msg) from exc
        port: int = listener.getsockname()[1]
        self._listen(port, listener, goal)
        return port

    async def release(self, listener: Path | int) -> None:
        """Stop listening; connections that are there go on."""
        if (found := self._listeners.pop(listener, None)) is None:
            return
        asyncio.get_running_loop().remove_reader(found)
        found.close()
        if not isinstance(listener, int):
            with contextlib.suppress(OSError):
                os.unlink(listener)  # noqa: PTH108 (it takes no time)

    async def close(self) -> None:
        """Stop listening everywhere, and remove the directory."""
        for listener in tuple(self._listeners):
            await self.release(listener)
        await asyncio.sleep(0)  # so that each task has begun, and closes its connection
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def _listen(self, key: Path | int, listener: socket.socket, goal: Goal) -> None:
        listener.settimeout(0)
        listener.listen(_MOST_WAITING)
        self._listeners[key] = listener
        asyncio.get_running_loop().add_reader(listener, self._accept, listener, goal)

    def _accept(self, listener: socket.socket, goal: Goal) -> None:
        # asyncio's own server loses what it accepts while it is being closed, and never closes it.
        try:
            connection, _ = listener.accept()
        except OSError as exc:  # too many open files, or the other side has left already
            _log.debug("ssh to %s: %s", self._link.target.name, exc)
            return
        connection.settimeout(0)
        task = asyncio.ensure_future(self._lead(connection, goal))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _lead(self, connection: socket.socket, goal: Goal) -> None:
        end = LocalEnd(self._link.ends)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: end, connection)
        try:
            await self._link.attach(end, goal, do_not_ask)
        except (EngineUnavailable, asyncssh.Error) as exc:
            _log.debug("ssh to %s: %s: %s", self._link.target.name, goal, one_line(str(exc)))
            end.abort()
        except BaseException:
            end.abort()
            raise
        else:
            end.start()


def _bound_to(port: int) -> socket.socket:
    listener = socket.socket()
    # Otherwise a port could not be used for a minute after its last connection.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:  # another program has it, or it is below 1024
        listener.bind(("127.0.0.1", 0))
    return listener


def _check_length(path: Path) -> None:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        msg = f"the path of a socket would be too long: {path}"
        hint = "set XDG_RUNTIME_DIR to a directory with a shorter path"
        raise EngineUnavailable(msg, hint=hint)
