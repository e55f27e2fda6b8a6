"""What the engine in memory does beyond the contract: it plays what a test scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama_engines.errors import ContainerNotFound, ImagePullError, UnsupportedOption
from ramalama_engines.fake.engine import FakeEngine, FakeProgram, FakePull
from ramalama_engines.kinds import EngineKind
from ramalama_engines.spec import (
    ContainerSpec,
    ContainerStatus,
    LocalImage,
    PortBinding,
    PullProgress,
    RegistryAuth,
)
from tests.contract.containers import PATIENCE, background

if TYPE_CHECKING:
    from ramalama_engines.engine import Engine

IMAGE = LocalImage(id="sha256:1")
SPEC = ContainerSpec(image="img", labels={"a": "b"})


def playing(program: FakeProgram) -> FakeEngine:
    return FakeEngine(images={"img": IMAGE}, script=lambda _: program)


def test_it_is_an_engine_to_the_type_checkers() -> None:
    def take(engine: Engine) -> EngineKind:
        return engine.kind

    assert take(FakeEngine(kind=EngineKind.DOCKER)) is EngineKind.DOCKER


def test_a_program_without_an_end_runs_until_it_is_stopped() -> None:
    engine = playing(FakeProgram(logs=("hello",), stop_code=7))
    container = engine.create(SPEC)
    engine.start(container)
    assert engine.inspect(container).status is ContainerStatus.RUNNING

    engine.stop(container)

    assert engine.wait(container) == 7
    assert list(engine.logs(container)) == ["hello"]


def test_a_program_that_is_given_no_time_is_killed() -> None:
    engine = playing(FakeProgram(stop_code=7))
    container = engine.create(SPEC)
    engine.start(container)

    engine.stop(container, timeout=0)

    assert engine.wait(container) == 137


def test_a_test_may_end_a_program_and_write_to_its_log() -> None:
    engine = playing(FakeProgram())
    container = engine.create(SPEC)
    engine.start(container)

    lines = background(lambda: list(engine.logs(container, follow=True)))
    code = background(lambda: engine.wait(container))
    engine.write(container, "out of memory", "bye")
    engine.end(container, 137, oom_killed=True)

    assert lines.result(PATIENCE) == ["out of memory", "bye"]
    assert code.result(PATIENCE) == 137
    assert engine.inspect(container).oom_killed


def test_a_program_that_has_ended_does_not_end_again() -> None:
    engine = playing(FakeProgram(exit_code=1))
    container = engine.create(SPEC)
    engine.start(container)

    engine.end(container, 5)

    assert engine.wait(container) == 1


def test_the_script_sees_each_container() -> None:
    engine = FakeEngine(
        images={"img": IMAGE},
        script=lambda spec: FakeProgram(exit_code=len(spec.command)),
    )
    container = engine.create(ContainerSpec(image="img", command=("a", "b")))
    engine.start(container)

    assert engine.wait(container) == 2
    assert engine.spec(container).command == ("a", "b")


def test_a_server_may_answer_in_place_of_the_program() -> None:
    seen: list[str] = []
    program = FakeProgram(
        on_start=lambda: seen.append("started"), on_end=lambda: seen.append("ended")
    )
    engine = playing(program)
    container = engine.create(SPEC)
    engine.start(container)
    assert seen == ["started"]

    engine.remove(container, force=True)

    assert seen == ["started", "ended"]


def test_an_error_at_create_leaves_nothing_behind() -> None:
    engine = playing(FakeProgram(create_error=UnsupportedOption("not here")))

    with pytest.raises(UnsupportedOption, match="not here"):
        engine.create(SPEC)

    assert list(engine.list({"a": "b"})) == []


def test_a_pull_brings_what_the_registry_has() -> None:
    engine = FakeEngine(registry={"quay.io/x:1": IMAGE})
    steps: list[PullProgress] = []

    pulled = engine.pull("quay.io/x:1", tls_verify=False, on_progress=steps.append)

    assert pulled == IMAGE.id
    assert engine.image("quay.io/x:1") == IMAGE
    assert [step.current for step in steps] == [0, 100]
    assert engine.pulls == (FakePull(image="quay.io/x:1", auth=None, tls_verify=False),)


@pytest.mark.parametrize(
    ("image", "words"), [("quay.io/gone", "disk full"), ("quay.io/other", "no such image")]
)
def test_a_pull_fails_as_the_registry_says(image: str, words: str) -> None:
    engine = FakeEngine(registry={"quay.io/gone": ImagePullError("disk full")})

    with pytest.raises(ImagePullError, match=words):
        engine.pull(image)

    assert engine.image(image) is None


def test_a_hook_that_fails_ends_the_pull() -> None:
    engine = FakeEngine(registry={"quay.io/x": IMAGE})

    def give_up(_: PullProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.pull("quay.io/x", on_progress=give_up)

    assert engine.image("quay.io/x") is None


def test_it_does_not_show_the_password_of_a_pull() -> None:
    engine = FakeEngine(registry={"quay.io/x": IMAGE})

    engine.pull("quay.io/x", auth=RegistryAuth(username="me", password="s3cret"))  # noqa: S106

    assert "s3cret" not in repr(engine.pulls)


def test_a_port_that_was_bound_is_free_again_after_the_end() -> None:
    engine = playing(FakeProgram())
    port = PortBinding(container_port=80, host_port=8080)
    spec = ContainerSpec(image="img", network="bridge", ports=(port,))
    first, second = engine.create(spec), engine.create(spec)
    engine.start(first)
    engine.stop(first)

    engine.start(second)

    assert engine.inspect(second).ports == (port,)
    assert engine.inspect(first).ports == ()


def test_what_was_removed_is_forgotten() -> None:
    engine = playing(FakeProgram())
    container = engine.create(SPEC)

    engine.remove(container)

    with pytest.raises(ContainerNotFound):
        engine.spec(container)
