"""Servers that are found again by what is written of them, with no engine to ask."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.api.client import Ramalama
from ramalama.config.config import Config
from ramalama.errors import ConfigError, EngineFailure
from ramalama.events import ContainerStarted, Event, ServerReady
from ramalama.planning.labels import PLAN_LABEL
from ramalama.serving.record import ServerRecord, server_records
from ramalama.serving.run_dir import ServerDir
from ramalama.system.process_identity import ProcessIdentity
from ramalama_accel import Host
from ramalama_engines import ContainerStatus, EngineKind, InvokingUser, PullPolicy
from ramalama_engines.discovery.engine_identity import EngineIdentity
from ramalama_engines.fake import FakeEngine
from tests.unit.accel.made_up_hosts import make as make_host
from tests.unit.ramalama.serving.servers import IMAGE_NAME, ServerFixture

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from ramalama.config.options import ServeOptions


Written = dict[str, object]


@pytest.fixture
def servers(run_dir: Path) -> Generator[ServerFixture]:
    with ServerFixture(root=run_dir) as made:
        yield made


def stranger(
    servers: ServerFixture,
    *,
    env: Mapping[str, str] | None = None,
    config: Config | None = None,
    host: Host | None = None,
) -> Ramalama:
    """Make the handle of a process that has not talked to the engine, and cannot."""
    env = {"CONTAINER_HOST": servers.engine.url} if env is None else env
    return Ramalama(
        config or servers.config,
        host=host or Host(root=servers.root, env=env),
        user=InvokingUser(env=env, home=servers.root, uid=os.getuid(), root=servers.root),
        run_dir=servers.run_dir,
    )


def test_a_server_is_found_without_an_engine(servers: ServerFixture) -> None:
    events: list[Event] = []
    with (
        servers.ramalama().serve(servers.options, reuse=True) as first,
        stranger(servers) as handle,
        handle.serve(servers.options, reuse=True, on_event=events.append) as second,
    ):
        assert (second.name, second.container) == (first.name, first.container)
        assert second.endpoint == first.endpoint
        assert second.plan.alias == first.plan.alias
        assert second.plan.container.labels[PLAN_LABEL] == (first.plan.container.labels[PLAN_LABEL])
        assert events == [ServerReady(first.container)]

    assert servers.is_clean()


def test_who_found_it_so_keeps_it_like_anyone(servers: ServerFixture) -> None:
    first = servers.ramalama().start(servers.options, reuse=True)
    second = stranger(servers).start(servers.options, reuse=True)

    first.close()

    assert servers.engine.inspect(second.container).status is ContainerStatus.RUNNING
    servers.engine.remove(second.container, force=True)


def test_a_handle_that_is_closed_opens_no_engine_any_more(servers: ServerFixture) -> None:
    first, handle = servers.ramalama().start(servers.options, reuse=True), stranger(servers)
    second = handle.start(servers.options, reuse=True)

    first.close()
    handle.close()

    with pytest.raises(EngineFailure, match="the connection was closed"):
        second.close()


def test_one_that_answers_several_at_a_time_does_for_one_at_a_time(servers: ServerFixture) -> None:
    alone = replace(servers.options, parallel=1)
    with (
        servers.ramalama().serve(servers.options, reuse=True) as first,
        stranger(servers).serve(alone, reuse=True) as second,
    ):
        assert second.name == first.name


OTHERS: dict[str, Callable[[ServeOptions], ServeOptions]] = {
    "context": lambda options: replace(options, ctx_size=4096),
    "image": lambda options: replace(options, image="quay.io/ramalama/another:1"),
    "environment": lambda options: replace(options, env={"A": "1"}),
    "a newer image, if there is one": lambda options: replace(
        options, pull_policy=PullPolicy.NEWER
    ),
    "the image, pulled again": lambda options: replace(options, pull_policy=PullPolicy.ALWAYS),
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_whoever_asks_for_something_else_asks_an_engine(
    servers: ServerFixture, change: Callable[[ServeOptions], ServeOptions]
) -> None:
    with servers.ramalama().serve(servers.options, reuse=True), pytest.raises(EngineFailure):
        stranger(servers).start(change(servers.options), reuse=True)


def asked_for(servers: ServerFixture, options: ServeOptions) -> str:
    """Return the digest of a plan with these *options* before its image is looked up."""
    without_images = Ramalama(
        servers.config,
        engine=FakeEngine(),
        host=Host(root=servers.root, env={}),
        run_dir=servers.run_dir,
    )
    return without_images.plan(options).container.labels[PLAN_LABEL]


@pytest.mark.parametrize(("network", "is_found"), [("none", True), ("bridge", False)])
def test_the_port_of_a_server_may_be_anothers_by_now(
    servers: ServerFixture, network: str, *, is_found: bool
) -> None:
    options = replace(servers.options, network=network)
    with servers.ramalama().serve(servers.options, reuse=True):
        (written,) = server_records(servers.run_dir)
        replace(written, asked=asked_for(servers, options)).write()

        with ExitStack() as stack:
            if not is_found:
                stack.enter_context(pytest.raises(EngineFailure))
            stranger(servers).start(options, reuse=True).close()


def test_whoever_wants_a_server_of_their_own_does_not_look(servers: ServerFixture) -> None:
    with servers.ramalama().serve(servers.options, reuse=True), pytest.raises(EngineFailure):
        stranger(servers).start(servers.options)


@pytest.mark.parametrize(
    ("env", "config"),
    [
        pytest.param({}, Config(), id="the known sockets"),
        pytest.param({"CONTAINER_HOST": "unix:///elsewhere.sock"}, Config(), id="another podman"),
        pytest.param(None, Config(engine=EngineKind.DOCKER), id="docker"),
        pytest.param(
            {"DOCKER_HOST": "unix:///nowhere/podman.sock"},
            Config(engine=EngineKind.DOCKER),
            id="docker, where podman answered",
        ),
        pytest.param({"DOCKER_CONTEXT": "gone"}, Config(), id="a context that is not there"),
    ],
)
def test_a_server_on_an_engine_that_is_not_the_users_choice_is_passed_over(
    servers: ServerFixture, env: Mapping[str, str] | None, config: Config
) -> None:
    with servers.ramalama().serve(servers.options, reuse=True), pytest.raises(EngineFailure):
        stranger(servers, env=env, config=config).start(servers.options, reuse=True)


def test_a_server_that_has_ended_is_not_taken_for_one_that_runs(servers: ServerFixture) -> None:
    with servers.ramalama().serve(servers.options, reuse=True) as first:
        servers.engine.end(first.container, 1)
        with pytest.raises(EngineFailure):
            stranger(servers).start(servers.options, reuse=True)


def test_where_others_may_write_nothing_is_believed(servers: ServerFixture) -> None:
    with servers.ramalama().serve(servers.options, reuse=True):
        servers.run_dir.chmod(0o777)
        with pytest.raises(ConfigError, match="not a private directory"):
            stranger(servers).start(servers.options, reuse=True)
        servers.run_dir.chmod(0o700)


def test_a_file_that_is_replaced_while_it_is_loaded_is_another_model(
    servers: ServerFixture,
) -> None:
    def replace_model(event: Event) -> None:
        if isinstance(event, ContainerStarted):
            newer = servers.root / "newer.gguf"
            newer.write_bytes(servers.model.read_bytes())
            newer.replace(servers.model)

    with (
        servers.ramalama().serve(servers.options, reuse=True, on_event=replace_model),
        pytest.raises(EngineFailure),
    ):
        stranger(servers).start(servers.options, reuse=True)


def test_a_link_in_its_place_is_not_followed(servers: ServerFixture) -> None:
    with servers.ramalama().serve(servers.options, reuse=True):
        (shared,) = servers.run_dir.glob("*.shared")
        elsewhere = shared.rename(servers.root / "elsewhere")
        shared.symlink_to(elsewhere)
        with pytest.raises(EngineFailure):
            stranger(servers).start(servers.options, reuse=True)
        shared.unlink()
        elsewhere.rename(shared)


def nvidia_host(tmp_path: Path) -> Host:
    """Make a host on which it matters what runtimes the engine has, which has none of NVIDIA's."""
    return replace(make_host("laptop-nvidia-intel-without-cdi", tmp_path).host, oci_runtimes=())


def test_with_an_nvidia_card_the_engines_runtimes_are_known_from_before(
    servers: ServerFixture, tmp_path: Path
) -> None:
    host = nvidia_host(tmp_path)
    options = replace(servers.options, image=IMAGE_NAME)
    starter = Ramalama(servers.config, engine=servers.engine, host=host, run_dir=servers.run_dir)
    with (
        starter.serve(options, reuse=True) as first,
        stranger(servers, host=host).serve(options, reuse=True) as second,
    ):
        assert second.container == first.container


def test_an_engine_that_must_be_asked_and_is_away_leaves_it_to_the_ordinary_way(
    servers: ServerFixture, tmp_path: Path
) -> None:
    with (
        servers.ramalama().serve(servers.options, reuse=True),
        pytest.raises(EngineFailure, match="CONTAINER_HOST says"),
    ):
        stranger(servers, host=nvidia_host(tmp_path)).start(servers.options, reuse=True)


def set_to(key: str, value: object) -> Callable[[Written], object]:
    def spoil(written: Written) -> object:
        return {**written, key: value}

    return spoil


def set_all_to(value: object) -> Callable[[Written], object]:
    def spoil(_: Written) -> object:
        return value

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(set_all_to([]), id="a list"),
        pytest.param(set_all_to({}), id="nothing"),
        pytest.param(set_to("engine", "podman"), id="no engine"),
        pytest.param(set_to("engine", {"kind": "cri-o", "url": "u"}), id="an unknown engine"),
        pytest.param(set_to("engine", {"kind": "podman"}), id="no address"),
        pytest.param(set_to("oci_runtimes", "crun"), id="runtimes that are no list"),
        pytest.param(set_to("container", None), id="no container"),
        pytest.param(set_to("container", "../x"), id="a container that has no such ID"),
        pytest.param(set_to("name", 7), id="a number for a name"),
        pytest.param(set_to("name", "\x1b[31mevil\n"), id="a name for a terminal"),
        pytest.param(set_to("asked", []), id="no digest"),
        pytest.param(set_to("plan", {}), id="no plan"),
    ],
)
def test_what_makes_no_sense_is_as_if_it_were_not_there(
    servers: ServerFixture, spoil: Callable[[Written], object]
) -> None:
    with servers.ramalama().serve(servers.options, reuse=True):
        (path,) = servers.run_dir.glob("*.shared/server")
        path.write_text(json.dumps(spoil(json.loads(path.read_text()))))

        assert not server_records(servers.run_dir)
        with pytest.raises(EngineFailure):
            stranger(servers).start(servers.options, reuse=True)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_as_if_it_were_not_there(servers: ServerFixture, content: bytes) -> None:
    with servers.ramalama().serve(servers.options, reuse=True):
        (path,) = servers.run_dir.glob("*.shared/server")
        path.write_bytes(content)

        assert not server_records(servers.run_dir)


def recollection(run_dir: Path, token: str) -> ServerRecord:
    directory = ServerDir(run_dir / f"{ProcessIdentity.of_this_process().format()}-{token}")
    directory.path.with_name(f"{directory.path.name}.shared").mkdir(parents=True, exist_ok=True)
    return ServerRecord(
        directory=directory,
        engine=EngineIdentity(kind=EngineKind.DOCKER, url="unix:///d.sock", rootless=True),
        oci_runtimes=("runc", "nvidia"),
        container="0" * 64,
        name="ramalama-1",
        asked="a",
        plan="b",
    )


def test_what_was_written_is_read_again(run_dir: Path) -> None:
    written = recollection(run_dir, "0001")

    written.write()

    assert server_records(run_dir) == [written]
    (shared,) = run_dir.iterdir()
    assert [path.name for path in shared.iterdir()] == ["server"]


def test_the_newest_is_the_first(run_dir: Path) -> None:
    several = [recollection(run_dir, token) for token in ("0001", "0002", "0003")]
    for age, each in zip((5, 1, 9), several, strict=True):
        each.write()
        os.utime(f"{each.directory.path}.shared/server", (100 - age, 100 - age))

    assert server_records(run_dir) == [several[1], several[0], several[2]]


def test_what_is_no_servers_directory_is_not_looked_at(run_dir: Path) -> None:
    written = recollection(run_dir, "0001")
    strange = ServerDir(run_dir / "strange")
    (run_dir / "strange.shared").mkdir()

    replace(written, directory=strange).write()

    assert ServerRecord.read(strange)
    assert not server_records(run_dir)


def test_there_is_nothing_to_read_where_there_is_no_directory(run_dir: Path) -> None:
    assert not [*server_records(run_dir / "nowhere")]
