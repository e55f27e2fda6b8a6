"""Servers that several use: who keeps them, and when they go."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from ramalama.errors import ConfigError, EngineFailure, OptionRefused, StartCancelled
from ramalama.events import ContainerCreated, ContainerStarted, Event, Notice
from ramalama.serving.cleanup import is_orphaned, remove_orphaned
from ramalama.serving.handle import ServerHandle
from ramalama.serving.kept import KeptServers
from ramalama.serving.run_dir import ServerDir
from ramalama.serving.usage import FOR_EVER, SharedServer
from ramalama.system.process_identity import ProcessIdentity
from ramalama_chat import UnixEndpoint
from ramalama_engines import (
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    EngineUnavailable,
    LocalImage,
)
from ramalama_engines.fake.engine import FakeEngine, FakeProgram
from tests.unit.ramalama.made_up import GGUF
from tests.unit.ramalama.serving.model_server import LOADING, READY
from tests.unit.ramalama.serving.servers import IMAGE_NAME, ServerFixture

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ramalama.api.client import Ramalama
    from ramalama.config.options import ServeOptions

ALIVE = ProcessIdentity.of_this_process()
DEAD = replace(ALIVE, start=ALIVE.start + 1)


@pytest.fixture
def servers(run_dir: Path) -> Generator[ServerFixture]:
    with ServerFixture(root=run_dir) as made:
        yield made


@pytest.fixture
def ramalama(servers: ServerFixture) -> Generator[Ramalama]:
    with servers.ramalama() as handle:
        yield handle


def shared_directory(servers: ServerFixture) -> Path:
    (path,) = servers.run_dir.glob("*.shared")
    return path


def kill_users(servers: ServerFixture) -> None:
    """Make it look as if all who use the one shared server had been killed."""
    directory = shared_directory(servers)
    for use in [
        path for path in directory.iterdir() if ProcessIdentity.parse(path.name.rpartition("-")[0])
    ]:
        use.rename(directory / f"{DEAD.format()}-{use.name.rpartition('-')[2]}")


def test_the_same_plan_finds_the_server_that_runs(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    with (
        ramalama.serve(servers.options, reuse=True) as first,
        ramalama.serve(servers.options, reuse=True) as second,
    ):
        assert second.name == first.name
        assert second.endpoint == first.endpoint
        assert second.model == "granite"
        assert second.running
        assert len(servers.engine.list({})) == 1

    assert servers.is_clean()


def test_a_number_is_the_same_however_it_is_written(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    with (
        ramalama.serve(replace(servers.options, temp=0), reuse=True) as first,
        ramalama.serve(replace(servers.options, temp=0.0), reuse=True) as second,
    ):
        assert second.name == first.name


def test_whoever_may_reuse_anything_is_told_without_an_engine(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    seen = [ramalama.may_reuse]
    with ramalama.serve(servers.options):
        seen.append(ramalama.may_reuse)
    with ramalama.serve(servers.options, reuse=True):
        seen.append(ramalama.may_reuse)

    assert [*seen, ramalama.may_reuse] == [False, False, True, False]


def test_a_server_goes_with_its_last_user_whoever_started_it(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    first = ramalama.start(servers.options, reuse=True)
    second = ramalama.start(servers.options, reuse=True)

    first.close()
    first.close()
    remove_orphaned(servers.engine, servers.run_dir)

    assert second.running
    second.close()
    assert servers.is_clean()


def test_another_handle_and_another_process_find_it_too(servers: ServerFixture) -> None:
    with (
        servers.ramalama().serve(servers.options, reuse=True) as first,
        servers.ramalama().serve(servers.options, reuse=True) as second,
    ):
        assert second.name == first.name


CHANGES: list[dict[str, object]] = [
    {"ctx_size": 4096},
    {"temp": 0.1},
    {"env": {"A": "1"}},
    {"runtime_args": ("--verbose",)},
    {"privileged": True},
    {"seed": 1},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_whoever_wants_something_else_gets_another_server(
    servers: ServerFixture, ramalama: Ramalama, change: dict[str, object]
) -> None:
    other: ServeOptions = replace(servers.options, **change)  # type: ignore[arg-type]  # a row of the table

    with (
        ramalama.serve(servers.options, reuse=True) as first,
        ramalama.serve(other, reuse=True) as second,
    ):
        assert second.name != first.name

    assert servers.is_clean()


def test_a_model_that_was_replaced_is_another_one(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    with ramalama.serve(servers.options, reuse=True) as first:
        servers.model.unlink()
        servers.model.write_bytes(GGUF + b"new")
        with ramalama.serve(servers.options, reuse=True) as second:
            assert second.name != first.name


def test_an_image_that_was_pulled_anew_makes_another_server(run_dir: Path) -> None:
    servers = ServerFixture(root=run_dir)
    newer = LocalImage(id="sha256:2", entrypoint=("llama-server",))

    def digest(image: LocalImage) -> str:
        engine = FakeEngine(images={IMAGE_NAME: image})
        servers.engine = engine
        return servers.ramalama().plan(servers.options).container.labels["ai.ramalama.plan"]

    assert digest(servers.images[IMAGE_NAME]) == digest(servers.images[IMAGE_NAME])
    assert digest(newer) != digest(servers.images[IMAGE_NAME])


def test_what_belongs_to_one_start_alone_makes_no_difference(servers: ServerFixture) -> None:
    def label(**changes: object) -> str:
        options: ServeOptions = replace(servers.options, **changes)  # type: ignore[arg-type]  # names of its fields
        return servers.ramalama().plan(options).container.labels["ai.ramalama.plan"]

    assert label() == label(name="mine")
    assert label(network="host") == label(network="host")
    assert label(network="bridge") == label(network="bridge", api_key="secret")
    assert label(network="bridge") != label(network="bridge", port=9000)
    assert label(network="bridge") != label(network="bridge", host="0.0.0.0")  # noqa: S104 (planned only)


def test_a_server_of_ones_own_is_no_ones_else(servers: ServerFixture, ramalama: Ramalama) -> None:
    with (
        ramalama.serve(servers.options) as mine,
        ramalama.serve(servers.options, reuse=True) as other,
    ):
        assert mine.name != other.name


def test_who_asks_one_thing_at_a_time_may_use_a_server_that_answers_several(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    alone = replace(servers.options, parallel=1)
    with (
        ramalama.serve(servers.options, reuse=True) as first,
        ramalama.serve(alone, reuse=True) as second,
    ):
        assert second.name == first.name
    with (
        ramalama.serve(alone, reuse=True) as first,
        ramalama.serve(servers.options, reuse=True) as second,
    ):
        assert second.name != first.name


def test_a_server_that_has_ended_is_not_used(servers: ServerFixture, ramalama: Ramalama) -> None:
    with ramalama.serve(servers.options, reuse=True) as first:
        servers.engine.end(first.name, 1)
        with ramalama.serve(servers.options, reuse=True) as second:
            assert second.name != first.name

    assert servers.is_clean()


def test_a_server_that_does_not_answer_is_not_used(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    with ramalama.serve(servers.options, reuse=True) as first:
        assert isinstance(first.endpoint, UnixEndpoint)
        (servers.run_dir / first.endpoint.path).unlink()
        with ramalama.serve(servers.options, reuse=True) as second:
            assert second.name != first.name

    assert servers.is_clean()


def test_one_that_still_loads_its_model_is_waited_for(servers: ServerFixture) -> None:
    servers.answers = [READY, LOADING, LOADING, READY]
    ramalama = servers.ramalama()

    with (
        ramalama.serve(servers.options, reuse=True) as first,
        ramalama.serve(servers.options, reuse=True) as second,
    ):
        assert second.name == first.name


def test_twenty_at_once_share_one_server(servers: ServerFixture, ramalama: Ramalama) -> None:
    names: list[str] = []
    all_in = threading.Barrier(20)

    def use() -> None:
        with ramalama.serve(servers.options, reuse=True) as server:
            names.append(server.name)
            all_in.wait()

    threads = [threading.Thread(target=use) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(names) == 20
    assert len({*names}) == 1
    assert servers.is_clean()


def test_who_waits_for_another_start_is_told_and_can_call_it_off(servers: ServerFixture) -> None:
    ramalama = servers.ramalama()
    cancel = threading.Event()
    heard: list[Event] = []

    def give_up(event: Event) -> None:
        heard.append(event)
        if isinstance(event, Notice):
            cancel.set()

    def start_another(event: Event) -> None:
        if isinstance(event, ContainerCreated):
            with pytest.raises(StartCancelled):
                ramalama.start(servers.options, reuse=True, on_event=give_up, cancel=cancel)

    with ramalama.serve(servers.options, reuse=True, on_event=start_another):
        pass

    assert Notice("waiting for another start of the same server") in heard
    assert servers.is_clean()


@pytest.mark.parametrize("reuse", [False, True])
def test_a_start_that_is_called_off_leaves_nothing(
    run_dir: Path,
    reuse: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    servers = ServerFixture(root=run_dir, answers=[LOADING])
    cancel = threading.Event()
    timer = threading.Timer(0.1, cancel.set)
    timer.start()

    with pytest.raises(StartCancelled):
        servers.ramalama().start(servers.options, reuse=reuse, cancel=cancel, keep_alive=60)
    timer.join()

    assert servers.is_clean()


@pytest.mark.parametrize("reuse", [False, True])
def test_a_start_that_is_cancelled_at_its_last_moment_leaves_nothing(
    servers: ServerFixture,
    reuse: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    cancel = threading.Event()
    servers.on_request = cancel.set  # so the answer to this request is the last thing waited for

    with pytest.raises(StartCancelled):
        servers.ramalama().start(servers.options, reuse=reuse, cancel=cancel, keep_alive=60)

    assert servers.is_clean()


def test_a_start_that_is_cancelled_after_its_records_vanished_leaves_nothing(
    servers: ServerFixture,
) -> None:
    cancel = threading.Event()

    def remove_records(event: Event) -> None:
        if isinstance(event, ContainerStarted):
            shutil.rmtree(shared_directory(servers))
            cancel.set()

    with pytest.raises(StartCancelled):
        servers.ramalama().start(
            servers.options, reuse=True, cancel=cancel, on_event=remove_records
        )

    assert servers.is_clean()


class WrittenTime(float):
    """A keep-alive time that calls `on_write` when it is written, the last of the records."""

    on_write: Callable[[], None]

    def __str__(self) -> str:
        self.on_write()
        return super().__str__()


def test_no_other_process_sees_half_of_the_records_of_a_server(servers: ServerFixture) -> None:
    locked: list[bool] = []

    def try_to_lock() -> None:
        handle = os.open(shared_directory(servers), os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            locked.append(True)
        else:
            locked.append(False)
        finally:
            os.close(handle)

    keep_alive = WrittenTime(1e-9)
    keep_alive.on_write = try_to_lock
    with servers.ramalama().serve(servers.options, keep_alive=keep_alive):
        assert locked == [True]


def test_records_that_cannot_be_written_leave_nothing(servers: ServerFixture) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    keep_alive = WrittenTime(1e-9)
    keep_alive.on_write = fail
    with pytest.raises(ConfigError, match="No space left"):
        servers.ramalama().start(servers.options, keep_alive=keep_alive)

    assert servers.is_clean()


def test_a_start_that_fails_leaves_nothing_however_long_it_was_to_stay(run_dir: Path) -> None:
    servers = ServerFixture(root=run_dir, program=FakeProgram(exit_code=1))

    with pytest.raises(Exception, match="ended"):
        servers.ramalama().start(servers.options, reuse=True, keep_alive=FOR_EVER)

    assert servers.is_clean()


def test_a_server_stays_as_long_after_its_last_user_as_was_asked(
    servers: ServerFixture, ramalama: Ramalama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeptServers, "add", Mock())  # the handle, which is open, looks too
    with ramalama.serve(servers.options, keep_alive=3600) as server:
        name = server.name

    assert remove_orphaned(servers.engine, servers.run_dir) == 0
    with ramalama.serve(servers.options, reuse=True) as again:
        assert again.name == name

    (shared_directory(servers) / "idle-since").write_text("-1e6")
    assert remove_orphaned(servers.engine, servers.run_dir) == 1
    assert servers.is_clean()


def test_the_time_begins_anew_with_each_last_user(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    with ramalama.serve(servers.options, keep_alive=3600):
        pass
    (shared_directory(servers) / "idle-since").write_text("-1e6")
    with ramalama.serve(servers.options, reuse=True):
        pass

    assert remove_orphaned(servers.engine, servers.run_dir) == 0


def test_a_shared_server_outlives_the_process_that_started_it(servers: ServerFixture) -> None:
    directory = ServerDir(servers.run_dir / f"{DEAD.format()}-00ff")
    directory.make()
    SharedServer(directory).open(servers.engine.url, keep_alive=0)
    labels = {
        "ai.ramalama": "",
        "ai.ramalama.owner": DEAD.format(),
        "ai.ramalama.instance": str(directory.path),
    }
    servers.engine.create(ContainerSpec(image=IMAGE_NAME, labels=labels))

    assert remove_orphaned(servers.engine, servers.run_dir) == 0
    assert directory.path.is_dir()
    kill_users(servers)
    assert remove_orphaned(servers.engine, servers.run_dir) == 1
    assert servers.is_clean()


def test_the_longest_wish_counts(servers: ServerFixture, ramalama: Ramalama) -> None:
    with ramalama.serve(servers.options, reuse=True) as first:
        with ramalama.serve(servers.options, reuse=True, keep_alive=3600):
            pass
        with ramalama.serve(servers.options, reuse=True, keep_alive=60):
            pass
        assert float((shared_directory(servers) / "keep-alive").read_text()) == 3600
    assert [state.name for state in servers.engine.list({})] == [first.name]


@pytest.mark.parametrize("reuse", [False, True])
def test_a_server_that_is_detached_stays_and_is_found_again(
    servers: ServerFixture,
    ramalama: Ramalama,
    reuse: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    with ramalama.serve(servers.options, reuse=reuse) as server:
        server.detach()
        name = server.name

    assert remove_orphaned(servers.engine, servers.run_dir) == 0
    with ramalama.serve(servers.options, reuse=True) as again:
        assert again.name == name
    with ramalama.attach(name) as attached:
        assert (attached.name, attached.model) == (name, "granite")
        assert attached.chat() is not None
    ramalama.stop(name)
    assert servers.is_clean()


@pytest.mark.parametrize("keep_alive", [-1.0, float("nan")])
def test_a_server_is_kept_for_a_time_or_not_at_all(
    servers: ServerFixture, ramalama: Ramalama, keep_alive: float
) -> None:
    with (
        ramalama.serve(servers.options) as server,
        pytest.raises(OptionRefused, match="keep_alive is a number of seconds, 0 or more"),
    ):
        server.detach(keep_alive=keep_alive)

    assert servers.is_clean()


def test_a_server_of_a_living_process_can_be_attached_to_but_not_kept(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    with ramalama.serve(servers.options) as server:
        with ramalama.attach(server.name) as attached:
            assert attached.running
            with pytest.raises(OptionRefused, match="belongs to the process that started it"):
                attached.detach()
        assert server.running

    assert servers.is_clean()


def test_what_is_not_there_or_not_ours_cannot_be_attached_to(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    with pytest.raises(EngineFailure, match="there is no model server"):
        ramalama.attach("missing")
    with ramalama.serve(servers.options) as server:
        servers.engine.end(server.name, 0)
        with pytest.raises(OptionRefused, match="does not run"):
            ramalama.attach(server.name)


def test_users_who_were_killed_keep_nothing(servers: ServerFixture, ramalama: Ramalama) -> None:
    ramalama.start(servers.options, reuse=True)
    kill_users(servers)

    assert remove_orphaned(servers.engine, servers.run_dir) == 1
    assert servers.is_clean()


def test_a_living_user_keeps_what_a_killed_one_started(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    ramalama.start(servers.options, reuse=True)
    kill_users(servers)
    with ramalama.serve(servers.options, reuse=True):
        assert remove_orphaned(servers.engine, servers.run_dir) == 0
        assert len(servers.engine.list({})) == 1

    assert servers.is_clean()


@pytest.mark.parametrize("written", [(), ("engine",), ("engine", "keep-alive")])
def test_what_a_start_left_that_was_killed_before_the_container_was_there_goes(
    servers: ServerFixture, written: tuple[str, ...]
) -> None:
    directory = ServerDir(servers.run_dir / f"{DEAD.format()}-00ff")
    directory.make()
    shared = SharedServer(directory).path
    shared.mkdir()
    values = {"engine": servers.engine.url, "keep-alive": "inf"}
    for name in written:
        (shared / name).write_text(values[name])
    (servers.run_dir / "0123.start").touch()
    (servers.run_dir / "ramalama-model-0123.sending").touch()

    remove_orphaned(servers.engine, servers.run_dir)

    assert list(servers.run_dir.iterdir()) == []


def test_the_directory_of_a_server_on_another_engine_stays(servers: ServerFixture) -> None:
    with servers.ramalama().serve(servers.options) as server:
        server.detach()

    (shared_directory(servers) / "engine").write_text("unix:///elsewhere.sock")
    elsewhere = FakeEngine()
    remove_orphaned(elsewhere, servers.run_dir)

    assert shared_directory(servers).exists()
    assert len(servers.engine.list({})) == 1


def test_a_container_that_others_removed_leaves_no_directory(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    with ramalama.serve(servers.options) as server:
        server.detach()
    servers.engine.remove(server.name, force=True)

    remove_orphaned(servers.engine, servers.run_dir)

    assert servers.is_clean()


def test_a_server_that_is_stopped_goes_whoever_uses_it(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    with (
        ramalama.serve(servers.options, reuse=True) as first,
        ramalama.serve(servers.options, reuse=True),
    ):
        ramalama.stop(first.name)
        assert servers.is_clean()

    assert servers.is_clean()


def test_an_engine_that_is_gone_when_the_last_user_leaves_is_told(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    server = ramalama.start(servers.options, reuse=True)
    servers.engine.close()

    with pytest.raises(EngineFailure) as caught:
        server.close()

    assert isinstance(caught.value.cause, EngineUnavailable)


@pytest.mark.parametrize("label", ["/", "", "\0", "relative"])
def test_a_label_that_names_no_directory_leaves_the_owner_to_decide(
    run_dir: Path, label: str
) -> None:
    state = ContainerState(
        id="1",
        name="c",
        image="img",
        status=ContainerStatus.RUNNING,
        labels={
            "ai.ramalama": "",
            "ai.ramalama.owner": DEAD.format(),
            "ai.ramalama.instance": label,
        },
    )

    assert is_orphaned(state, run_dir, now=datetime.now(UTC)) is True


def test_a_server_that_was_left_is_not_started_again(tmp_path: Path) -> None:
    directory, calls = ServerDir(tmp_path / "server"), list[str]()
    handle = ServerHandle("unix:///e.sock", directory, lambda: calls.append("removed"))

    assert handle.unless_left(lambda: calls.append("started"))
    handle.leave()
    assert not handle.unless_left(lambda: calls.append("started"))

    assert calls == ["started", "removed"]
