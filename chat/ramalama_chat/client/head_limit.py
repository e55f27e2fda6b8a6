"""Limit the wait for the head of an answer as a whole.

The read timeout of an HTTP client is for each piece: a server that sends a header now and then, up
to the 100 KiB that the HTTP library reads, would be waited for all day.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpcore2

if TYPE_CHECKING:
    from collections.abc import Generator


class _Wait(threading.local):
    """The wait of one thread for a head; *until* is when its time is over, from its first read."""

    begun = False
    until: float | None = None


_wait = _Wait()


@contextmanager
def head_as_a_whole() -> Generator[None]:
    """Let the read timeout be for all reads of this thread in the block, together."""
    _wait.begun, _wait.until = True, None
    try:
        yield
    finally:
        _wait.begun = False


class HeadLimited(httpcore2.NetworkStream):
    """The connection *stream*, which keeps to `head_as_a_whole`."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some bytes; *timeout* is in seconds.

        Raises:
            httpcore2.ReadTimeout: none came in that time, or the time for the head is over.
        """
        if timeout is None or not _wait.begun:
            return self._stream.read(max_bytes, timeout)
        now = time.monotonic()
        if _wait.until is None:
            _wait.until = now + timeout
        left = _wait.until - now
        if left <= 0:
            msg = "the head of the answer does not end"
            raise httpcore2.ReadTimeout(msg)
        return self._stream.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send *buffer*."""
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def get_extra_info(self, info: str) -> object:
        """Return what is known of the connection, such as its socket."""
        return self._stream.get_extra_info(info)
