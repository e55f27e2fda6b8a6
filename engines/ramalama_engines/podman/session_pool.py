"""Lend podman-py's sessions to threads, and close them all together.

A `requests.Session` is not documented as safe for threads, and one session for each thread would
live as long as the thread. So a request borrows a session, and a few are kept for later requests.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Final

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.podman.session import PodmanSession

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama_engines.route import Route

# Each takes a file descriptor here and in podman. A program that starts twenty servers at once has
# forty requests in progress, and would otherwise keep as many connections.
_MOST_IDLE: Final = 4


class Sessions:
    """The sessions of one engine, which are lent, returned, and closed all together.

    A forked process leaves those that it inherits to its parent, and opens its own.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._opener = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[PodmanSession] = []
        self._lent: set[PodmanSession] = set()

    def _begin_anew_if_forked(self) -> None:
        if os.getpid() != self._opener:
            self._begin()

    @contextlib.contextmanager
    def borrow(self) -> Generator[PodmanSession]:
        """Lend a session, and keep it for another request unless the block raises an exception."""
        session = self._take()
        try:
            yield session
        except BaseException:
            self._discard(session)  # its answer may be half read
            raise
        self._return(session)

    @contextlib.contextmanager
    def spend(self) -> Generator[PodmanSession]:
        """Lend a session for a stream; it may be cut at any time, so it is not used again."""
        session = self._take()
        try:
            yield session
        finally:
            self._discard(session)

    def close(self) -> None:
        """Cut all requests in progress, close the idle sessions, and lend no more."""
        self._begin_anew_if_forked()
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            lent = tuple(self._lent)
        for session in lent:
            session.cut()  # its borrower discards it
        for session in idle:
            session.close()

    def _take(self) -> PodmanSession:
        self._begin_anew_if_forked()
        with self._lock:
            if self._closed:
                msg = f"podman at {self._route.url}: the connection was closed"
                raise EngineUnavailable(msg, engine="podman")
            session = self._idle.pop() if self._idle else PodmanSession(self._route)
            self._lent.add(session)
        return session

    def _return(self, session: PodmanSession) -> None:
        self._begin_anew_if_forked()
        with self._lock:
            is_own = session in self._lent
            self._lent.discard(session)
            if is_own and not self._closed and len(self._idle) < _MOST_IDLE:
                self._idle.append(session)
                return
        session.close()

    def _discard(self, session: PodmanSession) -> None:
        self._begin_anew_if_forked()
        with self._lock:
            self._lent.discard(session)
        session.cut()  # so that closing does not wait for the rest of the answer
        session.close()
