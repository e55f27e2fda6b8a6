"""A slow host is waited for, and a silent one is not."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import asyncssh
import pytest

from ramalama_engines.ssh import patience
from ramalama_engines.ssh.patience import Patience, Pulse, questions

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ramalama_engines.ssh.settings import SshSettings

TICK = 0.01


class Settings:
    """Settings with these options alone."""

    def __init__(self, **options: object) -> None:
        self.options = options

    def get(self, option: str) -> object:
        return self.options.get(option)


class Connection:
    """A connection to a host that says what the test says."""

    def __init__(self, end: socket.socket | None = None) -> None:
        self.end = end
        self.failure: Exception | None = None

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        pass

    def get_extra_info(self, name: str) -> object:
        return self.end if name == "socket" else None

    def connection_lost(self, exc: Exception) -> None:
        self.failure = exc

    def is_closed(self) -> bool:
        return self.failure is not None


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"_TICK": TICK, "_SILENCE": 10 * TICK, "_FIRST": 10 * TICK, "_LONGEST": 100 * TICK}
    for name, seconds in times.items():
        monkeypatch.setattr(patience, name, seconds)


def felt(connection: Connection) -> Pulse:
    pulse = Pulse()
    pulse.feel(cast("asyncssh.SSHClientConnection", connection))
    return pulse


def watched(connection: Connection, pulse: Pulse, **settings: int) -> Awaitable[None]:
    made = cast("asyncssh.SSHClientConnection", connection)
    return Patience().watch(made, pulse, cast("SshSettings", Settings(**settings)))


async def say(connection: Connection, *, times: int, every: float) -> None:
    for _ in range(times):
        await asyncio.sleep(every)
        connection.data_received(b"x")


def test_a_silent_host_is_given_up() -> None:
    connection = Connection()

    asyncio.run(asyncio.wait_for(watched(connection, felt(connection)), 5))

    assert isinstance(connection.failure, asyncssh.ConnectionLost)


@pytest.mark.parametrize("interval", [0, 60])
def test_the_users_interval_decides_when_a_silent_host_is_given_up(interval: int) -> None:
    connection = Connection()

    async def wait() -> None:
        with suppress(TimeoutError):
            task = watched(connection, felt(connection), ServerAliveInterval=interval)
            await asyncio.wait_for(task, 30 * TICK)

    asyncio.run(wait())

    assert connection.failure is None


def test_a_host_that_says_anything_is_not_given_up() -> None:
    connection = Connection()
    pulse = felt(connection)

    async def wait() -> None:
        task = asyncio.ensure_future(watched(connection, pulse))
        await say(connection, times=10, every=4 * TICK)
        assert connection.failure is None
        task.cancel()

    asyncio.run(wait())


def test_a_host_is_never_given_up_for_questions_without_an_answer() -> None:
    asked = questions(cast("SshSettings", Settings()))

    assert asked["keepalive_interval"] == 2
    assert asked["keepalive_count_max"] > 1_000_000


def test_a_host_that_takes_what_is_sent_is_not_silent() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as ours,
        listener.accept()[0],
    ):
        pulse = felt(Connection(ours))
        pulse.tick()
        ours.sendall(bytes(10_000))
        deadline = time.monotonic() + 5
        while pulse.tick() and time.monotonic() < deadline:
            time.sleep(TICK)
        taking = pulse.quiet
        ours.sendall(b"a question")
        time.sleep(TICK)

        assert taking == 0
        assert pulse.tick() > 0


def test_a_program_that_was_stopped_does_not_blame_the_host() -> None:
    connection = Connection()

    async def wait() -> None:
        task = asyncio.ensure_future(watched(connection, felt(connection)))
        await asyncio.sleep(2 * TICK)
        time.sleep(30 * TICK)  # noqa: ASYNC251 (the whole program stands still)
        await asyncio.sleep(2 * TICK)
        assert connection.failure is None
        task.cancel()

    asyncio.run(wait())


def test_a_slow_login_is_waited_for_as_long_as_the_host_says_something() -> None:
    connection = Connection()
    pulse = felt(connection)

    async def wait() -> None:
        login = asyncio.ensure_future(say(connection, times=10, every=5 * TICK))
        await Patience().for_login(
            cast("asyncio.Future[asyncssh.SSHClientConnection]", login), pulse, None
        )
        assert login.done()

    asyncio.run(wait())


@pytest.mark.parametrize("limit", [None, 20 * TICK])
def test_a_login_ends_when_the_host_is_silent_or_takes_too_long(limit: float | None) -> None:
    connection = Connection()
    pulse = felt(connection)

    async def wait() -> None:
        words = 0 if limit is None else 200
        login = asyncio.ensure_future(say(connection, times=words, every=5 * TICK))
        silent = asyncio.ensure_future(asyncio.Event().wait())
        work = cast("asyncio.Future[asyncssh.SSHClientConnection]", silent)
        with pytest.raises(TimeoutError, match="no answer within"):
            await Patience().for_login(work, pulse, limit)
        silent.cancel()
        login.cancel()

    asyncio.run(asyncio.wait_for(wait(), 5))


def test_the_time_that_the_user_takes_does_not_count() -> None:
    pulse = Pulse()

    async def wait() -> None:
        pulse.is_paused = True
        login = asyncio.ensure_future(asyncio.sleep(30 * TICK))
        await Patience().for_login(
            cast("asyncio.Future[asyncssh.SSHClientConnection]", login), pulse, None
        )

    asyncio.run(wait())

    assert pulse.longest == 0
