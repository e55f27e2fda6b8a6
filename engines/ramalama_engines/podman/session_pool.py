"""Lend podman-py's sessions to the threads of an engine's users, and close them all together.

A `requests.Session` is not promised to be thread-safe, and one per thread would live as long as
somebody remembers the thread. So a request borrows a session, and a few are kept for the next ones.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.podman.session import PodmanSession
from ramalama_engines.rest.http import socket_path

if TYPE_CHECKING:
    from collections.abc import Generator

# Each holds a file descriptor here and one of podman's; who starts twenty servers at once has forty
# requests under way, and would keep as many connections for good.
_MOST_IDLE: Final = 4


class Sessions:
    """The sessions of one engine: lent out, taken back, and closed all together."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._idle: list[PodmanSession] = []
        self._lent: set[PodmanSession] = set()
        self._closed = False

    @contextlib.contextmanager
    def borrow(self) -> Generator[PodmanSession]:
        """Lend a session, and keep it for another request unless the block fails."""
        session = self._take()
        try:
            yield session
        except BaseException:
            self._throw_away(session)  # its answer may be half read
            raise
        self._give_back(session)

    @contextlib.contextmanager
    def spend(self) -> Generator[PodmanSession]:
        """Lend a session for a stream: it may be cut at any time, so nobody else shall get it."""
        session = self._take()
        try:
            yield session
        finally:
            self._throw_away(session)

    def close(self) -> None:
        """Cut the requests under way, close the idle sessions, and lend none any more."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            lent = tuple(self._lent)
        for session in lent:
            session.cut()  # its borrower throws it away
        for session in idle:
            session.close()

    def _take(self) -> PodmanSession:
        path = socket_path(self._url)
        if path is None:
            msg = f"podman at {self._url}: only unix:// URLs can be reached"
            raise EngineUnavailable(msg, engine="podman")
        with self._lock:
            if self._closed:
                msg = f"podman at {self._url}: the connection was closed"
                raise EngineUnavailable(msg, engine="podman")
            session = self._idle.pop() if self._idle else PodmanSession(path)
            self._lent.add(session)
        return session

    def _give_back(self, session: PodmanSession) -> None:
        with self._lock:
            self._lent.discard(session)
            if not self._closed and len(self._idle) < _MOST_IDLE:
                self._idle.append(session)
                return
        session.close()

    def _throw_away(self, session: PodmanSession) -> None:
        with self._lock:
            self._lent.discard(session)
        session.cut()  # so that closing need not wait for what is unread
        session.close()
