"""What every Engine must do, whatever it drives. Real ones also keep the sandbox contract."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.engine import Engine
from ramalama_engines.errors import (
    ContainerConflict,
    ContainerNotFound,
    EngineError,
    EngineUnavailable,
    ImageNotFound,
    ImagePullError,
    ProgramNotFound,
    UnsupportedOption,
)
from ramalama_engines.spec import ContainerSpec, ContainerStatus, PortBinding, PullProgress
from tests.contract.containers import (
    LABEL,
    PATIENCE,
    SLEEP,
    Containers,
    Contract,
    background,
    close,
    in_forked_process,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXIT_3 = ("sh", "-c", "exit 3")
THREE_LINES = ("sh", "-c", "echo one; echo two; echo three")
READY = ("sh", "-c", "echo ready; sleep 600")
NO_PROGRAM = ("no-such-program",)
UNREACHABLE_IMAGE = "127.0.0.1:1/no/such:image"

# A user can write these; none may hurt, get lost, or become another path of the REST API.
NO_CONTAINERS = ("no-such-container", "", "..", "../images/json", "a b", "x?force=1", "-f", "é\n")
ODD_TEXTS = (
    "",
    "two words",
    "--leading=dash",
    "\"double\" and 'single'",
    "a\nnewline",
    "$(id) `id` ${HOME} %s \\n",
    "naïve 🦭",
    "a=b,c:d",
)

VERBS: dict[str, Callable[[Engine, str], object]] = {
    "start": lambda engine, name: engine.start(name),
    "inspect": lambda engine, name: engine.inspect(name),
    "logs": lambda engine, name: list(engine.logs(name)),
    "wait": lambda engine, name: engine.wait(name),
    "wait with timeout": lambda engine, name: engine.wait(name, timeout=PATIENCE),
    "stop": lambda engine, name: engine.stop(name),
    "memory": lambda engine, name: engine.memory(name),
    "copy into": lambda engine, name: engine.copy_into(name, "/tmp", [b""]),  # noqa: S108
    "find in": lambda engine, name: engine.find_in(name, "/tmp"),  # noqa: S108
    "read from": lambda engine, name: list(engine.read_from(name, "/etc/passwd", most=1)),
}


class EngineContract(Contract):
    """Subclasses bring the engine and the image, and `second`: the same engine, to be closed."""

    @pytest.fixture
    def second(self) -> Iterator[Engine]:
        raise NotImplementedError

    # The engine

    def test_it_is_an_engine_and_says_the_same_of_itself_everywhere(self, engine: Engine) -> None:
        info = engine.info

        assert isinstance(engine, Engine)
        assert (info.kind, info.url, info.rootless) == (engine.kind, engine.url, engine.rootless)
        assert info.version
        assert info.id
        assert info.host
        assert info.cpus > 0
        assert info.memory > 1 << 20
        assert info.kernel
        assert info.oci_runtime in info.oci_runtimes
        assert engine.info == info

    def test_leaving_the_with_block_closes_it(self, second: Engine) -> None:
        with second as entered:
            assert entered is second

        with pytest.raises(EngineUnavailable):
            second.list({LABEL: "x"})

    def test_closing_twice_is_no_error(self, second: Engine) -> None:
        second.close()
        second.close()

    # Images

    def test_a_local_image_is_found_by_its_reference_and_by_its_id(
        self, engine: Engine, image: str
    ) -> None:
        local = engine.image(image)

        assert local is not None
        assert engine.image(local.id) == local

    @pytest.mark.parametrize(
        "name", ["localhost/no/such:image", "", "..", "../containers/json", "a b", "-x", "é\n"]
    )
    def test_an_image_that_is_not_local_is_none(self, engine: Engine, name: str) -> None:
        assert engine.image(name) is None

    def test_a_pull_that_fails_says_so_and_leaves_no_image(self, engine: Engine) -> None:
        steps: list[PullProgress] = []

        with pytest.raises(ImagePullError, match="no/such"):
            engine.pull(UNREACHABLE_IMAGE, on_progress=steps.append)

        assert engine.image(UNREACHABLE_IMAGE) is None

    # Create

    def test_a_new_container_waits_to_be_started(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        container = containers.create(replace(sleeper, name="contract-new", labels={"a": "b"}))

        state = engine.inspect(container)
        assert (state.id, state.name, state.image) == (container, "contract-new", sleeper.image)
        assert (state.status, state.exit_code) == (ContainerStatus.CREATED, None)
        assert state.labels.items() >= {"a": "b", **containers.label}.items()
        assert state.created is not None
        assert state.created.tzinfo is not None
        assert engine.inspect("contract-new") == state

    @pytest.mark.parametrize("value", ODD_TEXTS)
    def test_a_label_comes_back_as_it_was_given(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec, value: str
    ) -> None:
        container = containers.create(replace(sleeper, labels={"odd": value}))

        assert engine.inspect(container).labels["odd"] == value
        assert containers.all()[container].labels["odd"] == value

    def test_without_a_local_image_nothing_is_created(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        with pytest.raises(ImageNotFound, match="no/such:image"):
            containers.create(replace(sleeper, image="localhost/no/such:image"))

        assert containers.all() == {}

    def test_a_name_that_is_taken_is_a_conflict(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        first = containers.create(replace(sleeper, name="contract-taken"))

        with pytest.raises(ContainerConflict, match="contract-taken"):
            containers.create(replace(sleeper, name="contract-taken"))

        assert list(containers.all()) == [first]

    @pytest.mark.parametrize("name", ["-x", "a b", "a/b", "naïve", "a\nb", "$(id)"])
    def test_a_name_that_no_container_can_have_is_refused(
        self, containers: Containers, sleeper: ContainerSpec, name: str
    ) -> None:
        with pytest.raises(UnsupportedOption):
            containers.create(replace(sleeper, name=name))

        assert containers.all() == {}

    @pytest.mark.parametrize("network", ["none", "host"])
    def test_ports_that_the_network_does_not_publish_are_refused(
        self, containers: Containers, sleeper: ContainerSpec, network: str
    ) -> None:
        ports = (PortBinding(container_port=8080),)

        with pytest.raises(UnsupportedOption, match="port"):
            containers.create(replace(sleeper, network=network, ports=ports))

        assert containers.all() == {}

    # Start

    def test_a_started_container_runs_and_starting_it_again_is_no_error(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        container = containers.start(sleeper)

        engine.start(container)

        state = engine.inspect(container)
        assert (state.status, state.exit_code) == (ContainerStatus.RUNNING, None)

    def test_a_program_that_the_image_lacks_is_named(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        container = containers.create(replace(sleeper, command=NO_PROGRAM))

        with pytest.raises(ProgramNotFound, match="no-such-program"):
            engine.start(container)

        assert engine.inspect(container).status is not ContainerStatus.RUNNING
        engine.remove(container)
        assert containers.all() == {}

    def test_the_engine_picks_a_port_that_inspect_tells(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        spec = replace(sleeper, network="bridge", ports=(PortBinding(container_port=8080),))
        one, other = containers.start(spec), containers.start(spec)

        (port,), (other_port,) = engine.inspect(one).ports, engine.inspect(other).ports
        assert (port.container_port, port.host_address) == (8080, "127.0.0.1")
        assert port.host_port > 0
        assert other_port.host_port not in (0, port.host_port)
        assert containers.all()[one].ports == (port,)

    def test_a_host_port_that_is_taken_is_a_conflict(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        spec = replace(sleeper, network="bridge", ports=(PortBinding(container_port=8080),))
        taken = engine.inspect(containers.start(spec)).ports
        second = containers.create(replace(spec, ports=taken))

        with pytest.raises(ContainerConflict, match=str(taken[0].host_port)):
            engine.start(second)

        assert engine.inspect(second).status is not ContainerStatus.RUNNING

    # Containers that are not there

    @pytest.mark.parametrize("name", NO_CONTAINERS)
    @pytest.mark.parametrize("verb", VERBS)
    def test_a_container_that_is_not_there_is_not_found(
        self, engine: Engine, verb: str, name: str
    ) -> None:
        with pytest.raises(ContainerNotFound):
            VERBS[verb](engine, name)

    @pytest.mark.parametrize("name", NO_CONTAINERS)
    @pytest.mark.parametrize("force", [False, True])
    def test_removing_what_is_not_there_is_no_error(
        self,
        engine: Engine,
        containers: Containers,
        sleeper: ContainerSpec,
        name: str,
        force: bool,  # noqa: FBT001 (a row of the table)
    ) -> None:
        container = containers.create(sleeper)

        engine.remove(name, force=force)

        assert list(containers.all()) == [container]

    # Wait

    def test_wait_tells_the_exit_code_as_often_as_it_is_asked(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        container = containers.start(replace(sleeper, command=EXIT_3))

        codes = [engine.wait(container), engine.wait(container, timeout=PATIENCE)]

        assert codes == [3, 3]
        state = engine.inspect(container)
        assert (state.status, state.exit_code) == (ContainerStatus.EXITED, 3)
        assert containers.all()[container].exit_code == 3
        assert engine.wait(container, timeout=0) == 3

    @pytest.mark.parametrize("timeout", [0, 0.1])
    @pytest.mark.parametrize("started", [False, True])
    def test_wait_gives_up_on_what_has_not_ended(
        self,
        engine: Engine,
        containers: Containers,
        sleeper: ContainerSpec,
        timeout: float,
        started: bool,  # noqa: FBT001 (a row of the table)
    ) -> None:
        container = containers.start(sleeper) if started else containers.create(sleeper)

        with pytest.raises(TimeoutError):
            engine.wait(container, timeout=timeout)

    def test_wait_may_begin_before_the_start(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        container = containers.create(replace(sleeper, command=EXIT_3))

        code = background(lambda: engine.wait(container, timeout=PATIENCE))
        engine.start(container)

        assert code.result(PATIENCE) == 3

    @pytest.mark.parametrize("started", [False, True])
    def test_wait_ends_when_the_container_is_removed(
        self,
        engine: Engine,
        containers: Containers,
        sleeper: ContainerSpec,
        started: bool,  # noqa: FBT001 (a row of the table)
    ) -> None:
        container = containers.start(sleeper) if started else containers.create(sleeper)

        def end() -> str | int:
            try:
                return engine.wait(container, timeout=PATIENCE)
            except ContainerNotFound:
                return "gone"

        ends = [background(end) for _ in range(2)]
        engine.remove(container, force=True)

        possible = {137, "gone"} if started else {"gone"}
        assert {future.result(PATIENCE) for future in ends} <= possible

    # Logs

    def test_a_log_has_all_lines_or_the_last_ones(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        container = containers.start(replace(sleeper, command=THREE_LINES))
        engine.wait(container, timeout=PATIENCE)

        assert list(engine.logs(container)) == ["one", "two", "three"]
        assert list(engine.logs(container, tail=2)) == ["two", "three"]
        assert list(engine.logs(container, tail=0)) == []
        assert list(engine.logs(container, follow=True)) == ["one", "two", "three"]

    def test_a_container_that_never_ran_has_an_empty_log(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        assert list(engine.logs(containers.create(sleeper))) == []

    def test_a_followed_log_ends_with_the_container(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        container = containers.start(replace(sleeper, command=READY))
        lines = engine.logs(container, follow=True)

        first = next(lines)
        engine.stop(container, timeout=0)

        assert [first, *lines] == ["ready"]

    @pytest.mark.parametrize("command", [READY, SLEEP], ids=["after a line", "before any line"])
    def test_any_thread_may_close_a_followed_log(
        self,
        engine: Engine,
        containers: Containers,
        sleeper: ContainerSpec,
        command: tuple[str, ...],
    ) -> None:
        container = containers.start(replace(sleeper, command=command))
        lines = engine.logs(container, follow=True)

        rest = background(lambda: list(lines))
        close(lines)

        assert rest.result(PATIENCE) in ([], ["ready"])
        close(lines)
        assert list(lines) == []
        assert engine.inspect(container).status is ContainerStatus.RUNNING

    # Stop and remove

    def test_a_stopped_container_has_an_exit_code_and_stopping_it_again_is_no_error(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        container = containers.start(sleeper)

        engine.stop(container, timeout=0)
        engine.stop(container, timeout=0)

        state = engine.inspect(container)
        assert (state.status, state.exit_code) == (ContainerStatus.EXITED, 137)

    def test_stopping_what_never_ran_is_no_error(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        container = containers.create(sleeper)

        engine.stop(container)

        assert engine.inspect(container).status is ContainerStatus.CREATED

    def test_a_running_container_is_removed_by_force_only(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        container = containers.start(sleeper)

        with pytest.raises(EngineError):
            engine.remove(container)
        assert engine.inspect(container).status is ContainerStatus.RUNNING

        engine.remove(container, force=True)
        assert containers.all() == {}

    # A network of two

    def test_a_container_joins_the_network_of_one_that_runs(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        first = containers.start(sleeper)

        second = containers.start(replace(sleeper, network=f"container:{first}"))

        assert engine.inspect(second).network == f"container:{first}"
        engine.remove(second, force=True)
        engine.remove(first, force=True)
        assert containers.all() == {}

    def test_a_network_of_a_container_that_is_not_there_cannot_be_joined(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        with pytest.raises(EngineError):
            containers.start(replace(sleeper, network=f"container:{'0' * 64}"))

    # Memory

    def test_only_a_container_that_runs_uses_memory(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        container = containers.create(sleeper)
        assert engine.memory(container) is None

        engine.start(container)
        used = engine.memory(container)
        assert used is None or 0 < used < 1 << 30  # none where the kernel counts none

        engine.stop(container, timeout=0)
        assert engine.memory(container) is None

    def test_all_who_remove_a_container_at_once_find_it_gone(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        container = containers.start(sleeper)

        def remove(_: int) -> int:
            engine.remove(container, force=True)
            return len(containers.all())

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(remove, range(8))) == [0] * 8

    # List

    def test_list_reports_containers_in_any_state_that_bear_all_labels(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        labelled = replace(sleeper, labels={"color": "red"})
        created = containers.create(labelled)
        running = containers.start(labelled)
        exited = containers.start(replace(labelled, command=EXIT_3))
        engine.wait(exited, timeout=PATIENCE)
        containers.create(replace(sleeper, labels={"color": "blue"}))

        listed = {s.id: s.status for s in engine.list({**containers.label, "color": "red"})}

        assert listed == {
            created: ContainerStatus.CREATED,
            running: ContainerStatus.RUNNING,
            exited: ContainerStatus.EXITED,
        }
        assert len(engine.list({**containers.label, "color": ""})) == 4
        assert list(engine.list({**containers.label, "color": "green"})) == []
        assert list(engine.list({**containers.label, "shape": ""})) == []

    def test_list_agrees_with_inspect(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        container = containers.start(replace(sleeper, name="contract-listed"))

        listed, inspected = containers.all()[container], engine.inspect(container)

        assert listed.created is not None
        assert inspected.created is not None
        whole_second = inspected.created.replace(microsecond=0)
        assert listed.created.replace(microsecond=0) == whole_second
        assert (listed.network, inspected.network) == (None, "none")
        assert replace(listed, created=None) == replace(inspected, created=None, network=None)

    # Threads

    @pytest.mark.parametrize("call", ["wait", "wait with timeout", "follow"])
    def test_closing_the_engine_ends_calls_that_block(
        self, second: Engine, containers: Containers, sleeper: ContainerSpec, call: str
    ) -> None:
        container = containers.start(sleeper)

        def block() -> object:
            if call == "follow":
                return list(second.logs(container, follow=True))
            return VERBS[call](second, container)

        blocked = background(block)
        with pytest.raises(TimeoutError):
            blocked.result(0.2)
        second.close()

        with pytest.raises(EngineUnavailable):
            blocked.result(PATIENCE)

    def test_eight_threads_may_use_it_at_once(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        spec = replace(sleeper, command=THREE_LINES)

        def live(number: int) -> tuple[int, list[str], str]:
            container = containers.start(replace(spec, labels={"number": str(number)}))
            lines = list(engine.logs(container, follow=True))
            code = engine.wait(container, timeout=PATIENCE)
            label = engine.inspect(container).labels["number"]
            engine.remove(container)
            return code, lines, label

        with ThreadPoolExecutor(8) as pool:
            lives = list(pool.map(live, range(16)))

        assert lives == [(0, ["one", "two", "three"], str(number)) for number in range(16)]
        assert containers.all() == {}

    def test_a_forked_process_leaves_the_connections_to_its_parent(
        self, second: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        container = containers.start(replace(sleeper, command=READY))
        lines = second.logs(container, follow=True)
        assert next(lines) == "ready"

        def use_and_close() -> None:
            second.inspect(container)
            close(lines)
            second.close()

        assert in_forked_process(use_and_close) == 0
        second.stop(container, timeout=0)
        assert list(lines) == []
