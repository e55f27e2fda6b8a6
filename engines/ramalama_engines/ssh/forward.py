"""Carry the bytes of a local socket through a channel of ssh, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import asyncssh

if TYPE_CHECKING:
    import asyncio


class LocalEnd(asyncssh.SSHForwarder):
    """The local side of one forwarded stream; it is in *ends* while it is open.

    It reads nothing before the channel is open, and no more than the channel takes. The end of
    the stream is passed on in each direction by itself.
    """

    def __init__(self, ends: set[LocalEnd]) -> None:
        super().__init__()
        self._ends = ends
        self._local: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the channel before anything is read."""
        super().connection_made(transport)
        self._local = cast("asyncio.Transport", transport)
        self._local.pause_reading()
        self._ends.add(self)

    def far_side(self) -> asyncssh.SSHForwarder:
        """Return the session of the channel, to which this one is tied."""
        return asyncssh.SSHForwarder(self)

    def start(self) -> None:
        """Begin to read: the channel is open."""
        if self._local is not None and not self._local.is_closing():
            self._local.resume_reading()

    def abort(self) -> None:
        """End the stream at once, and drop what is not sent."""
        if self._local is not None:
            self._local.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the stream, which has ended."""
        self._ends.discard(self)
        super().connection_lost(exc)
