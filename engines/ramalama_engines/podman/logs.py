"""Follow a container's log until it ends, or until another thread closes the stream."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING, Self

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.rest.streams import log_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ramalama_engines.errors import EngineError
    from ramalama_engines.podman.session import PodmanSession, Request, Sessions


class LogStream:
    """The lines of a log; the request is sent with the first `next`.

    Unlike a generator, it can be closed while another thread waits in `next`, which then ends.
    Podman 4 sends no answer at all before the container writes its first line.
    """

    def __init__(
        self, sessions: Sessions, request: Request, *, failure: Callable[[str], EngineError]
    ) -> None:
        self._lent: list[PodmanSession] = []
        self._closed = threading.Event()
        # The generator has no reference to this object, so that dropping it ends the generator at
        # once.
        self._lines = _read(sessions, request, failure, self._lent, self._closed)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        try:
            return next(self._lines)
        except EngineUnavailable:
            if self._closed.is_set():
                raise StopIteration from None
            raise

    def close(self) -> None:
        """End the stream, from any thread."""
        self._closed.set()
        for session in self._lent:
            session.cut()
        with contextlib.suppress(ValueError):  # it runs in another thread, and was just cut
            self._lines.close()


def last_lines(log: LogStream, count: int) -> Generator[str]:
    """Yield the last *count* lines of *log*.

    Podman 4.3 can select them itself, but it loses and mixes up lines that were written in pieces.
    """
    with contextlib.closing(log):
        yield from deque(log, maxlen=count)


def _read(
    sessions: Sessions,
    request: Request,
    failure: Callable[[str], EngineError],
    lent: list[PodmanSession],
    closed: threading.Event,
) -> Generator[str]:
    with sessions.spend() as session:
        lent.append(session)
        if closed.is_set():  # close() was called before it could find the session
            return
        answer, chunks = session.open_stream(request)
        if answer.body:
            raise failure(answer.error)
        yield from log_lines(chunks)
