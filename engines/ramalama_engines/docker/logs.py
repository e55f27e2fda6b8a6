"""Read a container's log as it arrives from Docker."""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Self

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.rest.streams import log_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import Response


class LogStream:
    """The lines of a log; any thread may close it, even while another waits for the next line.

    *at_end* is called when the daemon itself ends the stream; it may raise an exception.
    """

    def __init__(
        self, response: Response, chunks: Iterator[bytes], *, at_end: Callable[[], object]
    ) -> None:
        self._response = response
        self._lines = log_lines(chunks)
        self._at_end = at_end
        self._reading = Lock()
        self._closed = False
        self._opener = os.getpid()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        with self._reading:
            if self._closed:
                raise StopIteration
            try:
                return next(self._lines)
            except StopIteration:
                self._end()
                self._at_end()
                raise
            except EngineUnavailable:
                if self._closed:  # another thread has closed the connection
                    raise StopIteration from None
                self._end()
                raise

    def close(self) -> None:
        """End the stream; closing it twice is allowed."""
        self._closed = True
        if os.getpid() != self._opener:  # a forked process, whose parent still reads
            return
        with suppress(ValueError, RuntimeError):  # it has ended already
            self._response.raw.shutdown()  # wakes up a reader, which holds the lock
        with self._reading:
            self._end()

    def _end(self) -> None:
        self._closed = True
        self._response.close()
