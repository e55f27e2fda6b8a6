"""A server that dies is started again, in place, until it is closed or dies too often."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama import OptionRefused, Restarts, ServerExited
from ramalama.config.api_name import ApiName
from ramalama.events import ServerDied, ServerRestarted
from ramalama.serving import supervisor
from ramalama.serving.launch import Launcher
from ramalama.serving.request import StartRequest
from ramalama.serving.sides.side import HERE
from ramalama_engines import ContainerStartError, ContainerStatus, EngineKind, EngineUnavailable
from ramalama_engines.fake.engine import FakeEngine, FakeProgram
from tests.unit.ramalama.made_up import INPUTS
from tests.unit.ramalama.serving.model_server import LOADING, READY
from tests.unit.ramalama.serving.servers import IMAGE_NAME, ServerFixture, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ramalama import ModelServer, Ramalama
    from ramalama.api.keywords import StartKeywords
    from ramalama.events import Event
    from ramalama_engines import ContainerSpec, ContainerState

KILLED = 137
PATIENCE = 20.0  # seconds
SHARED: list[StartKeywords] = [{}, {"reuse": True}, {"keep_alive": 0.0}]


@pytest.fixture
def servers(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[ServerFixture]:
    times = {
        "_WAIT": 0.05,
        "_BESIDE": 0.05,
        "_SETTLES": 0.2,
        "_SETTLES_KILLED": 0.1,
        "_PAUSE": 0.02,
    }
    for name, seconds in times.items():
        monkeypatch.setattr(supervisor, name, seconds)
    with ServerFixture(root=run_dir) as made:
        yield made


@pytest.fixture
def ramalama(servers: ServerFixture) -> Generator[Ramalama]:
    with servers.ramalama() as handle:
        yield handle


def news(servers: ServerFixture) -> list[str]:
    return [
        type(event).__name__
        for event in servers.events
        if isinstance(event, ServerDied | ServerRestarted)
    ]


def start(
    servers: ServerFixture, ramalama: Ramalama, *, most: int = 3, **how: object
) -> ModelServer:
    return ramalama.start(
        servers.options,
        restart=Restarts(most=most),
        on_event=servers.events.append,
        **how,  # type: ignore[arg-type]  # keywords of a start
    )


@pytest.mark.parametrize("how", SHARED)
def test_a_server_that_dies_is_started_again_in_place(
    servers: ServerFixture, ramalama: Ramalama, how: StartKeywords
) -> None:
    with start(servers, ramalama, **how) as server:
        for count in (1, 2):
            servers.engine.end(server.container, KILLED)
            eventually(lambda: server.restarts == count)  # noqa: B023 (called at once)
            server.wait_until_ready(timeout=PATIENCE)
            assert server.running
            assert server.why_ended(timeout=0) is None

        (state,) = servers.engine.list({})
        assert (state.id, state.status) == (server.container, ContainerStatus.RUNNING)

    died, restarted = servers.events[-2:]
    assert isinstance(died, ServerDied)
    assert died.container == server.container
    assert "(exit code 137): it was killed by SIGKILL" in died.reason
    assert restarted == ServerRestarted(server.container, died.reason, 2)
    assert servers.is_clean()


@pytest.mark.parametrize("how", SHARED)
def test_one_that_dies_too_often_is_given_up(
    servers: ServerFixture, ramalama: Ramalama, how: StartKeywords
) -> None:
    with start(servers, ramalama, most=1, **how) as server:
        servers.engine.end(server.container, KILLED)
        eventually(lambda: server.restarts == 1)
        servers.engine.end(server.container, KILLED)
        ended = server.why_ended(timeout=PATIENCE)

        assert ended is not None
        assert "it has died 2 times in 60 s and is not started again" in ended.message
        assert ended.exit_code == KILLED
        assert not server.running
        assert server.why_ended() is ended

    assert news(servers) == ["ServerDied", "ServerRestarted", "ServerDied"]
    assert servers.is_clean()


def test_without_restarts_a_server_that_dies_has_ended(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    with ramalama.serve(servers.options, on_event=servers.events.append) as server:
        servers.engine.end(server.container, KILLED)

        assert server.why_ended(timeout=PATIENCE) is not None
        assert (server.running, server.restarts) == (False, 0)

    assert news(servers) == []


def test_one_that_was_stopped_is_not_started_again_and_followed_if_another_program_does(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    with start(servers, ramalama) as server:
        servers.engine.end(server.container, 0)
        ended = server.why_ended(timeout=PATIENCE)
        assert ended is not None
        assert ended.message.endswith("ended (exit code 0)")
        assert not server.running

        servers.engine.start(server.container)
        eventually(lambda: server.running)
        servers.engine.end(server.container, KILLED)
        eventually(lambda: server.restarts == 1)

    assert news(servers) == ["ServerDied", "ServerRestarted"]
    assert servers.is_clean()


@pytest.mark.parametrize("code", [0, KILLED])
def test_one_that_another_program_restarts_has_not_died(
    servers: ServerFixture, ramalama: Ramalama, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(supervisor, "_SETTLES_KILLED", 5.0)
    with start(servers, ramalama) as server:
        servers.engine.end(server.container, code)
        time.sleep(0.2)
        servers.engine.start(server.container)

        assert server.why_ended(timeout=0.5) is None
        assert server.running

    assert news(servers) == []


@pytest.mark.parametrize("how", SHARED)
def test_one_that_a_command_has_stopped_stays_away(
    servers: ServerFixture, ramalama: Ramalama, how: StartKeywords
) -> None:
    with start(servers, ramalama, **how) as server:
        ramalama.stop(server.name)
        ended = server.why_ended(timeout=PATIENCE)

        assert ended is not None
        assert "its container was removed by another process" in ended.message

    assert news(servers) == []
    assert servers.is_clean()


def test_one_that_does_not_start_again_counts_each_attempt(
    servers: ServerFixture, ramalama: Ramalama, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(container: str) -> None:
        msg = f"no such file, {container[:2]}"
        raise ContainerStartError(msg)

    with start(servers, ramalama) as server:
        monkeypatch.setattr(servers.engine, "start", refuse)
        servers.engine.end(server.container, KILLED)
        ended = server.why_ended(timeout=PATIENCE)

        assert ended is not None
        assert "could not be started again: no such file, 00; it has died 4 times" in ended.message

    assert news(servers) == ["ServerDied"] * 4
    assert servers.is_clean()


def test_one_that_is_not_ready_in_time_is_ended_and_counts_as_dead(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    servers.answers = (READY, LOADING)
    with start(servers, ramalama, most=1, ready_timeout=0.3) as server:
        servers.engine.end(server.container, KILLED)

        assert server.why_ended(timeout=PATIENCE) is not None
        assert servers.engine.inspect(server.container).status is ContainerStatus.EXITED

    assert news(servers) == ["ServerDied"] * 2


def test_an_engine_that_is_away_is_waited_for_and_has_ended_the_server(
    servers: ServerFixture, ramalama: Ramalama, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = threading.Event()
    for name in ("wait", "inspect", "start"):
        real = getattr(servers.engine, name)

        def call(*args: object, real: Callable[..., object] = real, **how: object) -> object:
            if away.is_set():
                msg = "docker is restarted"
                raise EngineUnavailable(msg)
            return real(*args, **how)

        monkeypatch.setattr(servers.engine, name, call)
    with start(servers, ramalama) as server:
        away.set()
        time.sleep(0.2)
        servers.engine.end(server.container, 0)
        assert server.running
        away.clear()
        eventually(lambda: server.restarts == 1)

    assert servers.is_clean()


def test_an_engine_that_is_away_when_the_server_is_to_be_started_is_no_death(
    servers: ServerFixture, ramalama: Ramalama, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_really, refusals = servers.engine.start, iter(range(3))

    def start_later(container: str) -> None:
        if next(refusals, None) is not None:
            msg = "podman is restarted"
            raise EngineUnavailable(msg)
        start_really(container)

    with start(servers, ramalama, most=1) as server:
        monkeypatch.setattr(servers.engine, "start", start_later)
        servers.engine.end(server.container, KILLED)
        eventually(lambda: server.restarts == 1)

    assert news(servers) == ["ServerDied", "ServerRestarted"]


def test_of_two_users_one_starts_it_again_and_both_follow(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    other = ServerFixture(root=servers.root)
    other.engine = servers.engine
    with (
        other.ramalama() as second,
        start(servers, ramalama, reuse=True) as first,
        start(other, second, reuse=True) as found,
    ):
        assert found.name == first.name
        started = count_starts(servers.engine)
        servers.engine.end(first.container, KILLED)
        eventually(lambda: first.restarts + found.restarts > 0)
        assert started() == 1
        assert first.running
        assert found.running

        first.close()
        seen = found.restarts
        servers.engine.end(found.container, KILLED)
        eventually(lambda: found.restarts > seen)
        assert started() == 2


def count_starts(engine: FakeEngine) -> Callable[[], int]:
    """Count from now on how often a container that does not run is started."""
    started: list[str] = []
    real = engine.start

    def start(container: str) -> None:
        if engine.inspect(container).status is not ContainerStatus.RUNNING:
            started.append(container)
        real(container)

    engine.start = start  # type: ignore[method-assign]
    return lambda: len(started)


@pytest.mark.parametrize("how", SHARED)
@pytest.mark.parametrize("moment", [0.0, 0.01, 0.05, 0.1, 0.2])
def test_closing_it_at_any_moment_of_a_restart_leaves_nothing(
    servers: ServerFixture, ramalama: Ramalama, how: StartKeywords, moment: float
) -> None:
    server = start(servers, ramalama, **how)
    servers.engine.end(server.container, KILLED)
    time.sleep(moment)
    server.close()

    assert not server.running
    assert servers.is_clean()


def test_closing_it_while_the_engine_starts_it_waits_and_leaves_nothing(
    servers: ServerFixture, ramalama: Ramalama, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, real = threading.Event(), servers.engine.start

    def slow(container: str) -> None:
        begun.set()
        time.sleep(0.3)
        real(container)

    server = start(servers, ramalama)
    monkeypatch.setattr(servers.engine, "start", slow)
    servers.engine.end(server.container, KILLED)
    assert begun.wait(PATIENCE)
    server.close()

    assert servers.is_clean()


def test_a_hook_that_fails_ends_no_restarts(
    servers: ServerFixture, ramalama: Ramalama, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: Event) -> None:
        if isinstance(event, ServerDied):
            raise ZeroDivisionError

    with ramalama.serve(servers.options, restart=Restarts(), on_event=fail) as server:
        servers.engine.end(server.container, KILLED)
        eventually(lambda: server.restarts == 1)

    assert "the hook has failed at ServerDied" in caplog.text


def test_an_image_without_a_shell_is_started_again_too(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    servers.shell = FakeProgram(exit_code=127)
    with start(servers, ramalama) as server:
        servers.engine.end(server.container, KILLED)
        eventually(lambda: server.restarts == 1)

    assert servers.is_clean()


def test_what_stands_beside_a_server_is_made_again(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    servers.options = replace(servers.options, api=ApiName.LLAMA_STACK, stack_image=IMAGE_NAME)

    def states() -> list[ContainerState]:
        return sorted(servers.engine.list({}), key=lambda state: state.name)

    with start(servers, ramalama) as server:
        first = states()
        servers.engine.end(first[1].id, 1)
        eventually(lambda: server.restarts == 1)
        second = states()
        servers.engine.end(server.container, KILLED)
        eventually(lambda: server.restarts == 2)
        third = states()

    for before, after in ((first, second), (second, third)):
        assert before[0].id == after[0].id == server.container
        assert before[1].id != after[1].id
        assert {state.status for state in after} == {ContainerStatus.RUNNING}
    assert servers.is_clean()


@pytest.mark.parametrize(("restart", "chosen"), [(None, False), (Restarts(), True)])
def test_docker_which_chooses_another_port_at_each_start_is_told_one(
    run_dir: Path, restart: Restarts | None, *, chosen: bool
) -> None:
    specs: list[ContainerSpec] = []

    def refuse(spec: ContainerSpec) -> FakeProgram:
        specs.append(spec)
        return FakeProgram(exit_code=1)

    fixture = ServerFixture(root=run_dir)
    fixture.engine = FakeEngine(kind=EngineKind.DOCKER, images=fixture.images, script=refuse)
    with fixture.ramalama() as handle, pytest.raises(ServerExited):
        handle.start(replace(fixture.options, network="bridge"), restart=restart)

    assert bool(specs[0].ports[0].host_port) is chosen


def test_docker_on_another_host_needs_a_port_of_the_callers(run_dir: Path) -> None:
    servers = ServerFixture(root=run_dir)
    engine = FakeEngine(kind=EngineKind.DOCKER, images=servers.images)
    options = replace(servers.options, network="bridge")
    request = StartRequest(options=options, restart=Restarts())
    launcher = Launcher(engine, run_dir, request, replace(HERE, is_here=False, name="gpu"))

    with pytest.raises(OptionRefused, match="restart needs a port, because Docker on gpu would"):
        launcher.plan(replace(INPUTS, options=options), digest="1")
    with_port = replace(INPUTS, options=replace(options, port=9000))
    assert launcher.plan(with_port, digest="1").container.ports[0].host_port == 9000


def test_in_a_forked_process_the_engine_is_asked(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    with start(servers, ramalama) as server:
        child = os.fork()
        if child == 0:
            os._exit(0 if server.running and server.why_ended(timeout=0) is None else 1)
        assert os.waitpid(child, 0)[1] == 0
        ramalama.stop(server.name)


def test_a_value_of_another_type_is_refused(servers: ServerFixture, ramalama: Ramalama) -> None:
    with pytest.raises(OptionRefused, match="restart is a Restarts or None, not True"):
        ramalama.start(servers.options, restart=True)  # type: ignore[arg-type]
