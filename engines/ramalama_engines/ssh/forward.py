"""Carry the bytes of a local socket through a channel of ssh, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import asyncssh

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


def _ignore(_: LocalEnd) -> None:
    pass


class LocalEnd(asyncssh.SSHForwarder):
    """The local side of one forwarded stream.

    It reads nothing before the channel is open, and no more than the channel takes. The end of
    the stream is passed on in each direction by itself.

    Attributes:
        on_end: called once with this object when the stream has ended.
    """

    def __init__(self, *, on_start: Callable[[LocalEnd], None] = _ignore) -> None:
        super().__init__()
        self.on_end: Callable[[LocalEnd], None] = _ignore
        self._on_start = on_start
        self._local: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the channel before anything is read."""
        super().connection_made(transport)
        self._local = cast("asyncio.Transport", transport)
        self._local.pause_reading()
        self._on_start(self)

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

    def close(self) -> None:
        """End the stream when all is sent."""
        super().close()
        on_end, self.on_end = self.on_end, _ignore
        on_end(self)
