"""How long to wait for a host that says nothing: a dead one is told within ten seconds.

A host may be slow: as long as anything comes from it, or it takes what is sent, it is waited for.
asyncssh counts questions without an answer instead, and so gives up a host whose answers wait
behind an upload.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import asyncssh

if TYPE_CHECKING:
    from ramalama_engines.ssh.settings import SshSettings

_TICK: Final = 0.5  # seconds
# For a host that is to let us in: seconds of silence, and seconds for all that it says.
_FIRST: Final = 10.0
_LONGEST: Final = 60.0
# A host is asked when it has said nothing for two seconds, so an answer may take more than four.
_ASKED_AFTER: Final = 2.0
_SILENCE: Final = 6.5
_NO_LIMIT: Final = 1 << 30
_COUNT: Final = 3  # the default of `ServerAliveCountMax`
# For one that has fallen silent and is to let us in again.
_IN_ALL: Final = 9.5  # seconds since it was heard
_AGAIN: Final = 3.0  # seconds at least
_LONG_AGO: Final = 30.0  # seconds after which it is treated as any other
_NOTICED: Final = 4096  # bytes; the questions alone are fewer
_BYTES_TAKEN: Final = 120  # the place of `tcpi_bytes_acked` in `struct tcp_info`


class Pulse:
    """Notes the signs of life of a host.

    It counts its own ticks instead of looking at a clock: a program that was stopped for an hour
    must not blame the host.

    Attributes:
        quiet: seconds without a sign of life.
        longest: the most of these before a sign came.
        is_paused: whether the host waits for the user, so that its silence does not count.
    """

    def __init__(self) -> None:
        self.quiet = self.longest = 0.0
        self.is_paused = False
        self._has_heard = False
        self._connection: asyncssh.SSHClientConnection | None = None
        self._taken = 0

    def feel(self, connection: asyncssh.SSHClientConnection) -> None:
        """Note all that comes through *connection*."""
        receive = connection.data_received

        def data_received(data: bytes, datatype: int | None = None) -> None:
            self._has_heard = True
            receive(data, datatype)

        self._connection = connection
        # asyncssh has no hook for this.
        connection.data_received = data_received  # type: ignore[method-assign]

    def tick(self) -> float:
        """Note that a tick has passed; return `quiet`."""
        taken = self._count_taken()
        if self._has_heard or self.is_paused or taken - self._taken >= _NOTICED:
            self.longest = max(self.longest, self.quiet)
            self.quiet, self._has_heard, self._taken = 0.0, False, taken
        else:
            self.quiet += _TICK
        return self.quiet

    def _count_taken(self) -> int:
        """Return how many bytes the host has taken; 0 if this system does not tell."""
        found = None if self._connection is None else self._connection.get_extra_info("socket")
        if sys.platform == "linux" and found is not None:
            with suppress(OSError, struct.error):
                info = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_TAKEN + 8)
                return int(struct.unpack_from("Q", info, _BYTES_TAKEN)[0])
        return 0


class Patience:
    """The time that a host gets; it depends on what it has shown."""

    def __init__(self) -> None:
        self._slowest = 0.0
        self._heard_at = -math.inf  # the last time before it fell silent

    async def for_login(
        self, work: asyncio.Future[asyncssh.SSHClientConnection], pulse: Pulse, limit: float | None
    ) -> None:
        """Wait for *work*, which connects, at most *limit* seconds in all.

        Raises:
            TimeoutError: the host has said nothing for too long.
        """
        silence = min(self._left(), limit or _FIRST)
        in_all = limit or _LONGEST
        spent = 0.0
        while not (await asyncio.wait({work}, timeout=_TICK))[0]:
            spent = 0.0 if pulse.is_paused else spent + _TICK
            if pulse.tick() >= silence or spent >= in_all:
                seconds = min(silence, spent)
                msg = f"no answer within {seconds:g} second{'' if seconds == 1 else 's'}"
                raise TimeoutError(msg)
        self._slowest = max(self._slowest, pulse.longest)

    async def watch(
        self, connection: asyncssh.SSHClientConnection, pulse: Pulse, settings: SshSettings
    ) -> None:
        """Give *connection* up when the host has fallen silent."""
        interval, count = _alive_settings(settings)
        limit = _SILENCE if interval is None else interval * (count + 1)
        while limit and not connection.is_closed():
            await asyncio.sleep(_TICK)
            if pulse.tick() >= limit:
                self._heard_at = time.monotonic() - pulse.quiet
                connection.connection_lost(asyncssh.ConnectionLost("the host does not answer"))

    def _left(self) -> float:
        """Return how many seconds of silence are allowed while the host lets us in."""
        silent = time.monotonic() - self._heard_at
        if silent > _LONG_AGO:
            return max(_FIRST, 2 * self._slowest)
        return max(_AGAIN, 2 * self._slowest, _IN_ALL - silent)


def questions(settings: SshSettings) -> dict[str, float]:
    """Return the options of asyncssh with which a silent host is asked, and never given up."""
    interval, _ = _alive_settings(settings)
    asked_after = _ASKED_AFTER if interval is None else interval
    return {"keepalive_interval": asked_after, "keepalive_count_max": _NO_LIMIT}


def _alive_settings(settings: SshSettings) -> tuple[int | None, int]:
    """Return the user's `ServerAliveInterval`, None if it is not set, and `ServerAliveCountMax`."""
    interval, count = settings.get("ServerAliveInterval"), settings.get("ServerAliveCountMax")
    return (
        interval if isinstance(interval, int) else None,
        count if isinstance(count, int) else _COUNT,
    )
