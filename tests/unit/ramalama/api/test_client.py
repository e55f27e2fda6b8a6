"""What embedders and the command line stand on: finding servers, reading them, stopping them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.api.client import Ramalama
from ramalama.config.config import Config
from ramalama.errors import EngineFailure, OptionRefused, engine_errors
from ramalama.events import ContainerCreated
from ramalama.models.formats.model_files import FileKind
from ramalama.system.process_identity import ProcessIdentity
from ramalama_accel import Host
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines import (
    ContainerNotFound,
    ContainerSpec,
    EngineInfo,
    EngineKind,
    EngineUnavailable,
    InvokingUser,
)
from ramalama_engines.fake.engine import FakeEngine, FakeProgram
from tests.unit.accel.made_up_hosts import make as make_host
from tests.unit.ramalama.models.store.filled import HUB, put, record
from tests.unit.ramalama.serving.servers import IMAGE_NAME, ServerFixture

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama.events import Event

OURS = {"ai.ramalama": "", "ai.ramalama.model": "file:///m.gguf"}


@pytest.fixture
def servers(run_dir: Path) -> Generator[ServerFixture]:
    with ServerFixture(root=run_dir, program=FakeProgram(logs=("one", "two", "three"))) as made:
        yield made


def start(servers: ServerFixture, name: str, labels: dict[str, str]) -> str:
    spec = ContainerSpec(image=IMAGE_NAME, name=name, labels=labels)
    container = servers.engine.create(spec)
    servers.engine.start(container)
    return container


def test_servers_are_those_with_our_label_the_newest_first(servers: ServerFixture) -> None:
    for name, labels in (("first", OURS), ("database", {}), ("upstreams", {"ai.ramalama": ""})):
        start(servers, name, labels)

    assert [state.name for state in servers.ramalama().servers()] == ["upstreams", "first"]


def test_a_server_is_found_by_its_name_and_by_its_id_as_far_as_that_is_clear(
    servers: ServerFixture,
) -> None:
    first, second = (start(servers, name, OURS) for name in ("first", "second"))
    ramalama = servers.ramalama()

    assert ramalama.find("first").id == first
    assert ramalama.find(second).name == "second"
    assert ramalama.find(second[:64]).name == "second"


def test_a_name_wins_over_the_beginning_of_an_id(servers: ServerFixture) -> None:
    named = start(servers, "0", OURS)
    start(servers, "other", OURS)

    assert servers.ramalama().find("0").id == named


def test_the_beginning_of_two_ids_is_refused(servers: ServerFixture) -> None:
    for name in ("first", "second"):
        start(servers, name, OURS)

    with pytest.raises(OptionRefused, match="'00' is the beginning of 2 model servers' IDs"):
        servers.ramalama().stop("00")

    assert len(servers.engine.list({})) == 2


@pytest.mark.parametrize("name", ["missing", "", "database", "no\nsuch"])
def test_what_is_no_server_of_ours_is_not_there(servers: ServerFixture, name: str) -> None:
    start(servers, "database", {"com.example": "1"})

    for verb in (servers.ramalama().find, servers.ramalama().stop):
        with pytest.raises(EngineFailure, match="there is no model server") as caught:
            verb(name)
        assert isinstance(caught.value.cause, ContainerNotFound)
    assert [state.name for state in servers.engine.list({})] == ["database"]


def test_other_containers_cannot_be_reached_by_their_id_either(servers: ServerFixture) -> None:
    database = start(servers, "database", {})

    with pytest.raises(EngineFailure, match="there is no model server"):
        servers.ramalama().stop(database)
    with pytest.raises(EngineFailure, match="there is no model server"):
        list(servers.ramalama().logs(database))


def test_a_server_that_is_stopped_is_gone_whoever_started_it(servers: ServerFixture) -> None:
    start(
        servers, "mine", {**OURS, "ai.ramalama.owner": ProcessIdentity.of_this_process().format()}
    )
    start(servers, "upstreams", {"ai.ramalama": ""})

    servers.ramalama().stop("mine")
    servers.ramalama().stop("upstreams")

    assert servers.engine.list({}) == ()


@pytest.mark.parametrize(
    ("tail", "lines"), [(None, ["one", "two", "three"]), (1, ["three"]), (0, [])]
)
def test_a_servers_log_is_read_as_far_back_as_asked(
    servers: ServerFixture, tail: int | None, lines: list[str]
) -> None:
    start(servers, "mine", OURS)

    assert list(servers.ramalama().logs("mine", tail=tail)) == lines


def test_a_log_can_be_followed_to_the_servers_end(servers: ServerFixture) -> None:
    start(servers, "mine", OURS)
    log = servers.ramalama().logs("mine", follow=True)

    heard = [next(log), next(log), next(log)]
    servers.engine.write("mine", "four")
    servers.engine.end("mine", 0)

    assert [*heard, *log] == ["one", "two", "three", "four"]


def test_a_log_that_breaks_off_is_an_error_of_ours(servers: ServerFixture) -> None:
    start(servers, "mine", OURS)
    log = servers.ramalama().logs("mine", follow=True)
    next(log)

    servers.engine.close()

    with pytest.raises(EngineFailure):
        list(log)


def test_orphans_are_counted_as_they_are_removed(servers: ServerFixture) -> None:
    dead = replace(ProcessIdentity.of_this_process(), start=1).format()
    start(servers, "left", {"ai.ramalama": "", "ai.ramalama.owner": dead})

    assert servers.ramalama().remove_orphans() == 1
    assert servers.is_clean()


def test_an_error_of_the_engine_becomes_ours_and_keeps_its_cause() -> None:
    cause = EngineUnavailable("podman is gone", engine="podman")

    with pytest.raises(EngineFailure, match=r"^podman is gone$") as caught, engine_errors():
        raise cause

    assert caught.value.cause is cause
    assert caught.value.__cause__ is cause


def test_an_engine_of_the_callers_is_used_as_it_is(servers: ServerFixture) -> None:
    with servers.ramalama() as ramalama:
        assert ramalama.connect() is servers.engine
        assert ramalama.engine_source == "given by the caller"

    with pytest.raises(EngineUnavailable):
        servers.engine.list({})


def test_closing_what_was_never_connected_does_nothing(run_dir: Path) -> None:
    user = InvokingUser(env={}, home=run_dir, uid=1000, root=run_dir)

    Ramalama(user=user, host=Host(root=run_dir), run_dir=run_dir).close()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (Config(), "no engine answers"),
        (
            Config(engine=EngineKind.DOCKER, sources={"engine": "RAMALAMA_CONTAINER_ENGINE"}),
            "no docker answers, but RAMALAMA_CONTAINER_ENGINE requests it",
        ),
    ],
)
def test_without_an_engine_the_user_learns_what_was_tried(
    run_dir: Path, config: Config, said: str
) -> None:
    user = InvokingUser(env={}, home=run_dir, uid=1000, root=run_dir)
    ramalama = Ramalama(config, user=user, host=Host(root=run_dir), run_dir=run_dir)

    with pytest.raises(EngineFailure, match=said) as caught:
        ramalama.connect()

    assert isinstance(caught.value.cause, EngineUnavailable)


def test_a_wish_for_a_device_that_is_not_there_is_refused(run_dir: Path) -> None:
    servers = ServerFixture(root=run_dir, env={"CUDA_VISIBLE_DEVICES": "7"})

    with pytest.raises(OptionRefused, match="CUDA_VISIBLE_DEVICES"):
        servers.ramalama().start(servers.options)

    assert servers.is_clean()


def engine_info(*oci_runtimes: str) -> EngineInfo:
    return EngineInfo(
        kind=EngineKind.DOCKER,
        version="1",
        api_version="1",
        url="unix:///nowhere/docker.sock",
        rootless=False,
        user_namespace=False,
        oci_runtime="runc",
        oci_runtimes=oci_runtimes,
        selinux=False,
        cgroup_version=2,
    )


@pytest.mark.parametrize(
    ("registered", "asked", "used"),
    [
        (("runc", "nvidia-container-runtime"), None, "nvidia-container-runtime"),
        (("runc",), None, None),
        (("runc", "nvidia-container-runtime"), "runc", "runc"),
    ],
    ids=["registered", "not-registered", "the-user-names-another"],
)
def test_nvidias_oci_runtime_is_used_where_the_engine_has_it_and_cdi_where_not(
    run_dir: Path,
    tmp_path: Path,
    registered: tuple[str, ...],
    asked: str | None,
    used: str | None,
) -> None:
    servers = ServerFixture(root=run_dir)
    engine = FakeEngine(images=servers.images, info=engine_info(*registered))
    user = InvokingUser(env={}, home=run_dir, uid=1000, root=run_dir)
    host = make_host("two-geforces", tmp_path).host
    ramalama = Ramalama(engine=engine, host=host, user=user, run_dir=servers.run_dir)

    container = ramalama.plan(replace(servers.options, oci_runtime=asked)).container

    assert container.oci_runtime == used
    assert bool(container.devices) == (used != "nvidia-container-runtime")
    assert container.image == "quay.io/ramalama/cuda:0.25"


class _Enough(Exception):
    """The test has seen what it came for."""


def test_what_a_starting_server_reads_stays_whoever_removes_it(servers: ServerFixture) -> None:
    ramalama = servers.ramalama()
    base = ramalama.models.store.base
    files = (
        put(base, b"w" * 8192, "model.safetensors", FileKind.SAFETENSORS),
        put(base, b"{}", "config.json", FileKind.OTHER),
    )
    made = record(*files, reference=HUB)
    ramalama.models.store.publish(made)
    directory = ramalama.models.store.open(made).directory
    assert directory is not None
    there: list[bool] = []

    def remove(event: Event) -> None:
        if isinstance(event, ContainerCreated):
            ramalama.models.remove(HUB)
            ramalama.models.collect_garbage()
            there.append(directory.exists())
            raise _Enough

    options = replace(
        servers.options, model=HUB, runtime=RuntimeName.VLLM, image=IMAGE_NAME, force=True
    )
    with pytest.raises(_Enough):
        ramalama.start(options, on_event=remove)

    assert there == [True]
    assert servers.is_clean()
