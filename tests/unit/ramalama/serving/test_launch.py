"""A start that succeeds, and every way in which it does not."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.config.config import Config
from ramalama.errors import (
    EngineFailure,
    InvalidReference,
    ModelNotFound,
    ModelUnsupported,
    OptionRefused,
    ServerExited,
    ServerNotReady,
)
from ramalama.events import (
    ContainerCreated,
    ContainerStarted,
    EngineConnected,
    Event,
    ImagePulling,
    ImageReady,
    Notice,
    ServerReady,
)
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.serving import launch, start
from ramalama.serving.cleanup import remove_orphaned
from ramalama.serving.images import name_of_image
from ramalama.serving.launch import Launcher
from ramalama.serving.request import StartRequest
from ramalama.serving.run_dir import ServerDir
from ramalama.serving.sides.side import HERE, LocalSide
from ramalama.system.process_identity import ProcessIdentity
from ramalama_accel import AcceleratorKind, RuntimeName
from ramalama_chat import TcpEndpoint, UnixEndpoint
from ramalama_engines import (
    ContainerConflict,
    ContainerSpec,
    ContainerStartError,
    ContainerState,
    EngineKind,
    EngineUnavailable,
    ImageNotFound,
    ImagePullError,
    LocalImage,
    PortBinding,
    ProgramNotFound,
    PullPolicy,
    UnsupportedOption,
)
from ramalama_engines.fake.engine import FakeEngine, FakeProgram
from tests.unit.ramalama.made_up import FRESH_SOCKET, IMAGE, INPUTS, WITHOUT_TEMPLATE
from tests.unit.ramalama.serving.model_server import LOADING, READY, FakeModelServer
from tests.unit.ramalama.serving.servers import IMAGE_NAME, ServerFixture
from tests.unit.ramalama.system.test_removal import deep

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama.api.keywords import StartKeywords
    from ramalama.planning.placement import Placement
    from ramalama.serving.sides.upload import Upload
    from ramalama_engines import Engine

DEAD = replace(ProcessIdentity.of_this_process(), start=1)


@pytest.fixture
def servers(run_dir: Path) -> Generator[ServerFixture]:
    with ServerFixture(root=run_dir) as made:
        yield made


def test_a_server_that_starts_answers_at_its_socket_until_it_is_closed(
    servers: ServerFixture,
) -> None:
    server = servers.ramalama().start(servers.options)

    assert server.running
    assert server.model == "granite"
    assert [state.name for state in servers.engine.list({})] == [server.name]
    assert isinstance(server.endpoint, UnixEndpoint)
    assert server.endpoint.path.startswith(f"{servers.run_dir}/")
    server.close()
    assert servers.is_clean()


def test_closing_it_twice_is_no_error(servers: ServerFixture) -> None:
    server = servers.ramalama().start(servers.options)

    server.close()
    server.close()

    assert servers.is_clean()


@pytest.mark.parametrize("how", [{}, {"reuse": True}])
def test_a_server_that_fills_its_directory_spoils_neither_the_block_nor_the_clean_up(
    servers: ServerFixture, how: StartKeywords
) -> None:
    with servers.ramalama().serve(servers.options, **how) as server:
        assert isinstance(server.endpoint, UnixEndpoint)
        deep(Path(server.endpoint.path).parent, levels=1200)

    while not servers.is_clean():  # on a slow machine, one clean-up may be too short
        remove_orphaned(servers.engine, servers.run_dir)


def test_whoever_watches_hears_of_each_step_in_its_order(servers: ServerFixture) -> None:
    with servers.ramalama().serve(servers.options, on_event=servers.events.append) as server:
        container = servers.engine.list({})[0].id

    assert servers.events == [
        EngineConnected("podman", "unix:///nowhere/podman.sock"),
        ImageReady(IMAGE_NAME),
        ContainerCreated(container, server.name),
        ContainerStarted(container),
        ServerReady(container),
    ]


def test_a_model_without_a_chat_template_is_served_with_a_notice(servers: ServerFixture) -> None:
    servers.model.write_bytes(WITHOUT_TEMPLATE)
    with servers.ramalama().serve(servers.options, on_event=servers.events.append):
        pass

    (notice,) = (event for event in servers.events if isinstance(event, Notice))
    assert notice.message.startswith("the model has no chat template, so the server uses a general")


def test_nothing_is_said_of_a_template_where_no_model_answers(servers: ServerFixture) -> None:
    servers.model.write_bytes(WITHOUT_TEMPLATE)
    options = replace(servers.options, embeddings=True)
    with servers.ramalama().serve(options, on_event=servers.events.append):
        pass

    assert not [event for event in servers.events if isinstance(event, Notice)]


STEPS = [EngineConnected, ImageReady, ContainerCreated, ContainerStarted, ServerReady]


@pytest.mark.parametrize("step", STEPS)
def test_a_watcher_that_fails_undoes_the_start(servers: ServerFixture, step: type[Event]) -> None:
    def fail(event: Event) -> None:
        if isinstance(event, step):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        servers.ramalama().start(servers.options, on_event=fail)

    assert servers.is_clean()


@pytest.mark.parametrize("step", STEPS)
def test_ctrl_c_at_any_step_undoes_the_start(servers: ServerFixture, step: type[Event]) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, step):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        servers.ramalama().start(servers.options, on_event=interrupt)

    assert servers.is_clean()


def test_ctrl_c_while_the_model_loads_undoes_the_start(servers: ServerFixture) -> None:
    waiting = threading.get_ident()

    def press_ctrl_c() -> None:
        # Elsewhere than in the wait for an answer it could be lost, or leave a lock taken.
        time.sleep(0.05)
        signal.pthread_kill(waiting, signal.SIGINT)

    servers.on_request = press_ctrl_c
    with pytest.raises(KeyboardInterrupt):
        servers.ramalama().start(servers.options)

    assert servers.is_clean()


def test_an_engine_that_does_not_answer_is_asked_to_remove_a_server_once(
    servers: ServerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def remove(container: str, *, force: bool = False) -> None:
        asked.append(container)
        msg = f"no answer, {force}"
        raise EngineUnavailable(msg)

    with pytest.raises(EngineFailure), servers.ramalama().serve(servers.options) as server:
        monkeypatch.setattr(servers.engine, "remove", remove)

    assert asked == [server.container]


def test_a_block_that_fails_leaves_nothing(servers: ServerFixture) -> None:
    with pytest.raises(ZeroDivisionError), servers.ramalama().serve(servers.options):
        raise ZeroDivisionError

    assert servers.is_clean()


@pytest.mark.parametrize(
    ("program", "cause", "message"),
    [
        (
            FakeProgram(create_error=UnsupportedOption("podman cannot do that")),
            UnsupportedOption,
            "^podman cannot do that$",
        ),
        (
            FakeProgram(create_error=EngineUnavailable("podman is gone")),
            EngineUnavailable,
            "^podman is gone$",
        ),
        (
            FakeProgram(start_error=ContainerStartError("no llama-server in $PATH")),
            ContainerStartError,
            rf"^no llama-server in \$PATH \(image {IMAGE_NAME}, runtime llama\.cpp\)$",
        ),
        (
            FakeProgram(start_error=ContainerConflict("port 8080 is taken")),
            ContainerConflict,
            "^port 8080 is taken$",
        ),
    ],
    ids=["refused", "gone", "no-program", "port-taken"],
)
def test_what_the_engine_refuses_is_told_in_its_words_and_undone(
    servers: ServerFixture, program: FakeProgram, cause: type[Exception], message: str
) -> None:
    servers.program = program

    with pytest.raises(EngineFailure, match=message) as caught:
        servers.ramalama().start(servers.options)

    assert isinstance(caught.value.cause, cause)
    assert servers.is_clean()


def test_a_server_that_ends_while_it_loads_tells_why(servers: ServerFixture) -> None:
    log = ("loading", "error loading model: unknown model architecture: 'ilama'", "exiting")
    servers.program = FakeProgram(logs=log, exit_code=1)

    with pytest.raises(ServerExited) as caught:
        servers.ramalama().start(servers.options)

    assert str(caught.value) == (
        f"the llama.cpp server of file://{servers.model} ended (exit code 1): "
        "its llama.cpp does not know the architecture ilama (a newer image may)"
    )
    assert (caught.value.exit_code, caught.value.log_tail) == (1, log)
    assert servers.is_clean()


def test_a_cause_is_found_before_the_stacks_that_follow_it(servers: ServerFixture) -> None:
    cause = "(Worker pid=9) ERROR 11-22 21:31:19 [core.py:9] ValueError: no such thing"
    servers.program = FakeProgram(logs=(cause, *("  File" for _ in range(500))), exit_code=1)
    options = replace(servers.options, runtime=RuntimeName.VLLM, image=IMAGE_NAME)

    with pytest.raises(ServerExited, match=r"the vllm server .* ended .*: ValueError: no such"):
        servers.ramalama().start(options)


def test_a_safetensors_model_is_refused_before_the_engine_is_asked(servers: ServerFixture) -> None:
    directory = servers.root / "granite"
    directory.mkdir()
    for name in ("config.json", "model.safetensors"):
        (directory / name).write_bytes(b"{}")
    options = replace(servers.options, model=ModelRef(Scheme.FILE, str(directory)))

    for attempt in (servers.ramalama().start, servers.ramalama().plan):
        with pytest.raises(ModelUnsupported, match="use --runtime vllm"):
            attempt(options)

    assert servers.events == []
    assert servers.is_clean()


def test_only_the_end_of_a_long_log_is_quoted(servers: ServerFixture) -> None:
    servers.program = FakeProgram(logs=tuple(f"line {n}" for n in range(1000)), exit_code=1)

    with pytest.raises(ServerExited, match=r"ended \(exit code 1\)$") as caught:
        servers.ramalama().start(servers.options)

    assert caught.value.log_tail == tuple(f"line {n}" for n in range(960, 1000))


def test_neither_the_cause_nor_a_line_of_the_log_is_longer_than_a_person_reads(
    servers: ServerFixture,
) -> None:
    log = ("x" * 65536, "error: " + "y\x1b" * 30000, "z" * 65536)
    servers.program = FakeProgram(logs=log, exit_code=1)

    with pytest.raises(ServerExited) as caught:
        servers.ramalama().start(servers.options)

    assert len(str(caught.value)) < 500
    assert str(caught.value).endswith("…")
    assert str(caught.value).isprintable()
    assert [len(line) for line in caught.value.log_tail] == [1000, 1000, 1000]


@pytest.mark.parametrize("runtime", RuntimeName)
def test_a_log_that_is_hard_to_search_is_searched_in_a_moment(
    servers: ServerFixture, runtime: RuntimeName
) -> None:
    servers.program = FakeProgram(logs=("ERROR ] " * 8192,) * 40, exit_code=1)
    options = replace(servers.options, runtime=runtime, image=IMAGE_NAME)
    began = time.monotonic()

    with pytest.raises(ServerExited):
        servers.ramalama().start(options)

    assert time.monotonic() - began < 5


def test_the_log_of_a_server_that_is_not_ready_is_cut_as_well(servers: ServerFixture) -> None:
    servers.answers = [LOADING]

    def write(event: Event) -> None:
        if isinstance(event, ContainerStarted):
            servers.engine.write(event.container, "x" * 65536)

    with pytest.raises(ServerNotReady) as caught:
        servers.ramalama().start(servers.options, on_event=write, ready_timeout=0.05)

    assert max(map(len, caught.value.log_tail)) == 1000


@pytest.mark.parametrize(
    ("oom_killed", "reason"),
    [
        (True, "the kernel killed it because memory ran out; allow it more with --memory"),
        (False, "it was killed by SIGKILL, perhaps because memory ran out; allow it more"),
    ],
)
def test_a_server_that_was_killed_says_by_whom(
    servers: ServerFixture,
    oom_killed: bool,  # noqa: FBT001 (a row of the table)
    reason: str,
) -> None:
    servers.answers = [LOADING]

    def kill(event: Event) -> None:
        if isinstance(event, ContainerStarted):
            servers.engine.end(event.container, 137, oom_killed=oom_killed)

    with pytest.raises(ServerExited, match=reason) as caught:
        servers.ramalama().start(servers.options, on_event=kill)

    assert caught.value.exit_code == 137
    assert servers.is_clean()


@pytest.mark.parametrize(
    ("memory", "limits_memory", "limited"),
    [
        (None, False, [True, False]),
        (None, True, [True]),
        (1 << 30, False, [True, True]),
    ],
    ids=["no limits", "another cause", "the user's limit"],
)
def test_an_engine_that_cannot_limit_memory_starts_without_the_automatic_limits(
    servers: ServerFixture,
    memory: int | None,
    limits_memory: bool,  # noqa: FBT001 (a row of the table)
    limited: list[bool],
) -> None:
    specs: list[ContainerSpec] = []

    def script(spec: ContainerSpec) -> FakeProgram:
        specs.append(spec)
        if spec.memory_limit is None:
            return FakeProgram(exit_code=3)
        msg = "the requested cgroup controller `memory` is not available"
        return FakeProgram(start_error=ContainerStartError(msg))

    info = replace(FakeEngine().info, limits_memory=limits_memory)
    servers.engine = FakeEngine(images=servers.images, script=script, info=info)

    with pytest.raises((ServerExited, EngineFailure)) as caught:
        servers.ramalama().start(replace(servers.options, memory=memory))

    assert [spec.memory_limit is not None for spec in specs] == limited
    assert isinstance(caught.value, ServerExited) == (not limited[-1])
    assert servers.is_clean()


def test_a_container_that_is_removed_under_us_is_reported_as_such(servers: ServerFixture) -> None:
    servers.answers = [LOADING]

    def remove(event: Event) -> None:
        if isinstance(event, ContainerStarted):
            servers.engine.remove(event.container, force=True)

    with pytest.raises(
        ServerExited, match="its container was removed by another process"
    ) as caught:
        servers.ramalama().start(servers.options, on_event=remove)

    assert caught.value.exit_code is None
    assert servers.is_clean()


def test_a_server_that_is_not_ready_in_time_is_given_up(servers: ServerFixture) -> None:
    servers.answers = [LOADING]

    with pytest.raises(ServerNotReady, match=r"did not become ready within 0\.05 s") as caught:
        servers.ramalama().start(servers.options, ready_timeout=0.05)

    assert caught.value.log_tail == ("loading the model",)
    assert servers.is_clean()


def test_a_server_elsewhere_whose_socket_leads_nowhere_is_given_up_soon(
    servers: ServerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "_REACHED_WITHIN", 0.05)
    far = replace(HERE, is_here=False, name="far")

    def far_side(engine: Engine, run_dir: Path) -> LocalSide:
        del engine, run_dir
        return far

    monkeypatch.setattr(start, "side_of", far_side)
    servers.program = FakeProgram(logs=("main: server is listening on unix socket",))

    with pytest.raises(ServerNotReady, match="nothing answers") as caught:
        servers.ramalama().start(servers.options, ready_timeout=None)

    assert "try again" in str(caught.value.hint)
    assert servers.is_clean()


def test_a_model_that_is_removed_before_the_container_exists_is_brought_again(
    servers: ServerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought: list[str] = []
    created: list[str] = []

    def bring(side: LocalSide, upload: Upload) -> Placement:
        brought.append(upload.model)
        return side.placement

    monkeypatch.setattr(LocalSide, "bring", bring)

    def has(side: LocalSide, upload: Upload) -> bool:
        del side, upload
        return len(brought) > 1

    monkeypatch.setattr(LocalSide, "has", has)
    create = servers.engine.create

    def create_and_note(spec: ContainerSpec) -> str:
        created.append(create(spec))
        return created[-1]

    monkeypatch.setattr(servers.engine, "create", create_and_note)

    with servers.ramalama().start(servers.options) as server:
        containers = [state.id for state in servers.engine.list({})]
        container = server.container

    assert len(brought) == len(created) == 2
    assert containers == [container] == created[1:]
    assert servers.is_clean()


def test_a_server_may_take_its_time(servers: ServerFixture) -> None:
    servers.answers = [LOADING, LOADING, READY]

    with servers.ramalama().serve(servers.options, ready_timeout=None) as server:
        assert server.running


def leave_behind(engine: FakeEngine, owner: ProcessIdentity, *, name: str) -> str:
    spec = ContainerSpec(
        image=IMAGE_NAME,
        name=name,
        labels={"ai.ramalama": "", "ai.ramalama.owner": owner.format()},
    )
    return engine.create(spec)


def test_a_name_that_a_dead_owner_holds_is_taken_over(servers: ServerFixture) -> None:
    left = leave_behind(servers.engine, DEAD, name="mine")

    with servers.ramalama().serve(replace(servers.options, name="mine")):
        states = servers.engine.list({})

    assert [state.name for state in states] == ["mine"]
    assert states[0].id != left
    assert servers.is_clean()


def test_a_name_that_a_living_owner_holds_is_left_to_it(servers: ServerFixture) -> None:
    held = leave_behind(servers.engine, ProcessIdentity.of_this_process(), name="mine")

    with pytest.raises(EngineFailure, match="the name mine is used") as caught:
        servers.ramalama().start(replace(servers.options, name="mine"))

    assert isinstance(caught.value.cause, ContainerConflict)
    assert [state.id for state in servers.engine.list({})] == [held]
    assert list(servers.run_dir.iterdir()) == []


def test_a_start_sweeps_up_after_dead_owners(servers: ServerFixture) -> None:
    leave_behind(servers.engine, DEAD, name="left")
    servers.run_dir.mkdir(mode=0o700)
    ServerDir(servers.run_dir / f"{DEAD.format()}-00ff").make()

    with servers.ramalama().serve(servers.options) as server:
        names = [state.name for state in servers.engine.list({})]
        directories = [
            path for path in servers.run_dir.iterdir() if path.name.startswith(f"{DEAD.format()}-")
        ]

    assert names == [server.name]
    assert directories == []


def test_a_server_with_a_network_is_found_at_the_port_that_the_engine_picked(
    run_dir: Path,
) -> None:
    model_server = FakeModelServer()
    port = model_server.listen_on_port()

    class PortPicking(FakeEngine):
        def inspect(self, container: str) -> ContainerState:
            binding = PortBinding(container_port=8080, host_port=port)
            return replace(super().inspect(container), ports=(binding,))

    servers = ServerFixture(root=run_dir, program=FakeProgram(on_end=model_server.stop))
    servers.engine = PortPicking(
        images=servers.images, script=lambda _: FakeProgram(on_end=model_server.stop)
    )
    keys: list[str] = []

    def read_key(event: Event) -> None:
        if isinstance(event, ContainerCreated):
            (key,) = servers.run_dir.glob("*/api-key")
            keys.append(key.read_text().strip())

    with servers.ramalama().serve(
        replace(servers.options, network="bridge"), on_event=read_key
    ) as server:
        endpoint = server.endpoint

    assert endpoint == TcpEndpoint("127.0.0.1", port, api_key=keys[0])
    assert len(keys[0]) >= 32
    assert servers.is_clean()


def test_the_network_of_a_rootless_dockers_own_host_is_refused_at_once(
    servers: ServerFixture,
) -> None:
    info = replace(FakeEngine(kind=EngineKind.DOCKER).info, rootless=True)
    servers.engine = FakeEngine(images=servers.images, info=info)
    options = replace(servers.options, network="host")

    for attempt in (servers.ramalama().start, servers.ramalama().plan):
        with pytest.raises(OptionRefused, match="of a rootless Docker is not the network of"):
            attempt(options)

    assert servers.is_clean()


def test_on_the_hosts_network_the_server_gets_a_free_port_and_a_fresh_key(
    servers: ServerFixture,
) -> None:
    options = replace(servers.options, network="host")

    first, second = (servers.ramalama().plan(options).endpoint for _ in range(2))

    assert isinstance(first, TcpEndpoint)
    assert isinstance(second, TcpEndpoint)
    assert first.port > 1023
    assert first.api_key != second.api_key


def test_a_plan_limits_the_memory_as_the_start_does(servers: ServerFixture) -> None:
    planned = servers.ramalama().plan(servers.options).container
    with servers.ramalama().serve(servers.options) as server:
        started = servers.engine.spec(server.container)

    assert planned.memory_limit == started.memory_limit == 2 * servers.model.stat().st_size + 2**32


def test_a_plan_of_a_model_that_is_not_here_limits_no_memory(servers: ServerFixture) -> None:
    absent = replace(servers.options, model=ModelRef.parse("ollama://granite"))

    assert servers.ramalama().plan(absent).container.memory_limit is None


def test_planning_touches_nothing(servers: ServerFixture) -> None:
    servers.ramalama().plan(servers.options)

    assert servers.engine.pulls == ()
    assert not servers.run_dir.exists()
    assert servers.is_clean()


def test_a_plan_can_be_made_without_the_image(run_dir: Path) -> None:
    servers = ServerFixture(root=run_dir, images={})

    plan = servers.ramalama().plan(servers.options)

    assert plan.server.entrypoint == ("llama-server",)
    assert plan.container.image == IMAGE_NAME


def test_an_image_that_is_not_there_is_pulled_and_the_pull_is_followed(run_dir: Path) -> None:
    servers = ServerFixture(root=run_dir, images={}, registry={IMAGE_NAME: IMAGE})

    with servers.ramalama().serve(servers.options, on_event=servers.events.append):
        pass

    kinds = [type(event) for event in servers.events]
    assert kinds[:4] == [EngineConnected, ImagePulling, ImagePulling, ImageReady]


def test_an_image_that_nobody_has_is_an_error_before_anything_is_created(run_dir: Path) -> None:
    servers = ServerFixture(root=run_dir, images={})

    with pytest.raises(EngineFailure) as caught:
        servers.ramalama().start(replace(servers.options, pull_policy=PullPolicy.NEVER))

    assert isinstance(caught.value.cause, ImageNotFound)
    assert not servers.run_dir.exists()


def test_a_newer_image_that_cannot_be_fetched_is_a_notice_and_the_local_one_serves(
    run_dir: Path,
) -> None:
    servers = ServerFixture(root=run_dir, registry={IMAGE_NAME: ImagePullError("no route to host")})
    options = replace(servers.options, pull_policy=PullPolicy.NEWER)

    with servers.ramalama().serve(options, on_event=servers.events.append):
        pass

    assert Notice("no route to host; using the local image") in servers.events


@pytest.mark.parametrize("image", ["UPPER case", "a b", "quay.io/x:tag:tag", "-x", "quay.io/"])
def test_what_cannot_be_the_name_of_an_image_is_refused(servers: ServerFixture, image: str) -> None:
    options = replace(servers.options, image=image)

    with pytest.raises(InvalidReference):
        servers.ramalama().start(options)
    with pytest.raises(InvalidReference):
        servers.ramalama().plan(options)


def test_a_local_image_may_be_named_by_its_id(run_dir: Path) -> None:
    image = LocalImage(id="a" * 64, entrypoint=("/app/llama-server",))
    servers = ServerFixture(root=run_dir, images={"mine": image})

    with servers.ramalama().serve(replace(servers.options, image="a" * 64)) as server:
        assert server.plan.container.entrypoint == (*FRESH_SOCKET, "/app/llama-server")


@pytest.mark.parametrize(
    "program",
    [
        FakeProgram(start_error=ProgramNotFound("the image has no program sh")),
        FakeProgram(logs=("sh: error while loading shared libraries",), exit_code=127),
    ],
    ids=["none", "broken"],
)
def test_an_image_without_a_shell_serves_too(servers: ServerFixture, program: FakeProgram) -> None:
    servers.shell = program
    with servers.ramalama().serve(servers.options, on_event=servers.events.append) as server:
        assert server.running
        assert server.plan.container.entrypoint == ("llama-server",)
        (state,) = servers.engine.list({})

    assert servers.events[-1] == ServerReady(state.id)
    assert servers.is_clean()


@pytest.mark.parametrize("code", [126, 127])
def test_an_image_without_the_server_is_told_by_the_engine(
    servers: ServerFixture, code: int
) -> None:
    servers.shell = FakeProgram(logs=("sh: 1: exec: llama-server: not found",), exit_code=code)
    servers.program = FakeProgram(start_error=ProgramNotFound("no program llama-server"))

    with pytest.raises(EngineFailure, match=r"^no program llama-server ") as caught:
        servers.ramalama().start(servers.options)

    assert caught.value.exit_code == 22
    assert servers.is_clean()


def test_a_missing_model_is_found_out_before_the_engine_is_asked(servers: ServerFixture) -> None:
    servers.engine.close()
    model = ModelRef(Scheme.FILE, "/nowhere/granite.gguf")

    with pytest.raises(ModelNotFound):
        servers.ramalama().start(replace(servers.options, model=model))


def test_options_that_contradict_each_other_are_found_out_first_of_all(
    servers: ServerFixture,
) -> None:
    servers.engine.close()
    servers.model.unlink()

    with pytest.raises(OptionRefused):
        servers.ramalama().start(replace(servers.options, port=8080))


@pytest.mark.parametrize(
    ("asked", "config", "expected"),
    [
        (None, Config(), "quay.io/ramalama/cuda:0.25"),
        (None, Config(images={"CUDA_VISIBLE_DEVICES": "me/cuda:1"}), "me/cuda:1"),
        (None, Config(images={"HIP_VISIBLE_DEVICES": "me/rocm:1"}), "quay.io/ramalama/cuda:0.25"),
        (None, Config(image="me/any:1", images={"CUDA_VISIBLE_DEVICES": "x"}), "me/any:1"),
        ("me/asked:1", Config(image="me/any:1"), "me/asked:1"),
    ],
)
def test_the_image_is_the_calls_or_the_hosts_or_the_accelerators(
    asked: str | None, config: Config, expected: str
) -> None:
    assert name_of_image(config, asked, AcceleratorKind.CUDA, RuntimeName.LLAMA_CPP) == expected


@pytest.mark.parametrize("network", ["none", "bridge", "host"])
def test_two_plans_of_one_launcher_are_equal(servers: ServerFixture, network: str) -> None:
    options = replace(servers.options, network=network)
    launcher = Launcher(servers.engine, servers.run_dir, StartRequest(options=options), HERE)
    inputs = replace(INPUTS, options=options)

    first, second = (launcher.plan(inputs, digest="1") for _ in range(2))

    assert first == second
