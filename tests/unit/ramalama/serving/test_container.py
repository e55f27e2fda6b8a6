"""A container and its directory, from nothing to nothing."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from ramalama.serving.container import ServerContainer
from ramalama.serving.run_dir import new_server_dir
from ramalama.serving.sides.side import HERE
from ramalama_engines import ContainerSpec, ContainerStatus, EngineUnavailable, ImageNotFound
from ramalama_engines.fake.engine import FakeEngine, FakeProgram
from tests.unit.ramalama.made_up import IMAGE, LEASE

if TYPE_CHECKING:
    from pathlib import Path

SPEC = ContainerSpec(image="img")


class Impatient(FakeEngine):
    """An engine whose user presses Ctrl-C in the middle of every request."""

    def create(self, spec: ContainerSpec) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return super().create(spec)

    def start(self, container: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        super().start(container)

    def remove(self, container: str, *, force: bool = False) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        super().remove(container, force=force)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(images={"img": IMAGE})


def make(engine: FakeEngine, run_dir: Path) -> ServerContainer:
    return ServerContainer(engine, new_server_dir(run_dir, LEASE), HERE)


def is_clean(engine: FakeEngine, run_dir: Path) -> bool:
    return not engine.list({}) and not list(run_dir.iterdir())


def test_a_container_is_created_started_and_removed_with_its_directory(
    engine: FakeEngine, run_dir: Path
) -> None:
    instance = make(engine, run_dir)

    instance.prepare({"api-key": "secret\n"})
    container = instance.create(SPEC)
    instance.start()

    assert instance.container == container
    assert engine.inspect(container).status is ContainerStatus.RUNNING
    assert [path.name for path in run_dir.glob("*/*")] == ["api-key"]
    instance.remove()
    assert is_clean(engine, run_dir)


def test_without_a_key_the_directory_is_empty(engine: FakeEngine, run_dir: Path) -> None:
    make(engine, run_dir).prepare({})

    assert list(run_dir.glob("*/*")) == []


def test_removing_what_was_never_there_does_nothing(engine: FakeEngine, run_dir: Path) -> None:
    instance = make(engine, run_dir)

    instance.remove()
    instance.remove()

    assert is_clean(engine, run_dir)


def test_a_container_that_somebody_else_has_removed_is_no_error(
    engine: FakeEngine, run_dir: Path
) -> None:
    instance = make(engine, run_dir)
    instance.prepare({})
    engine.remove(instance.create(SPEC))

    instance.remove()

    assert is_clean(engine, run_dir)


def test_a_container_that_was_refused_is_none_to_remove(run_dir: Path) -> None:
    instance = make(FakeEngine(), run_dir)

    with pytest.raises(ImageNotFound):
        instance.create(SPEC)

    assert instance.container is None


def test_without_an_engine_the_directory_goes_all_the_same(
    engine: FakeEngine, run_dir: Path
) -> None:
    instance = make(engine, run_dir)
    instance.prepare({"api-key": "secret\n"})
    instance.create(SPEC)
    engine.close()

    with pytest.raises(EngineUnavailable):
        instance.remove()

    assert list(run_dir.iterdir()) == []


def test_an_engine_that_could_not_remove_it_is_asked_again(run_dir: Path) -> None:
    answers = iter([EngineUnavailable("gone for a moment"), None])

    class Restarting(FakeEngine):
        def remove(self, container: str, *, force: bool = False) -> None:
            if error := next(answers):
                raise error
            super().remove(container, force=force)

    engine = Restarting(images={"img": IMAGE})
    instance = make(engine, run_dir)
    instance.create(SPEC)
    with pytest.raises(EngineUnavailable):
        instance.remove()

    instance.remove()

    assert is_clean(engine, run_dir)


def test_ctrl_c_at_every_step_leaves_nothing_that_we_do_not_know_of(run_dir: Path) -> None:
    engine = Impatient(images={"img": IMAGE}, script=lambda _: FakeProgram())
    instance = make(engine, run_dir)
    instance.prepare({"api-key": "secret\n"})

    with pytest.raises(KeyboardInterrupt):
        instance.create(SPEC)
    assert instance.container == engine.list({})[0].id
    with pytest.raises(KeyboardInterrupt):
        instance.start()
    assert engine.list({})[0].status is ContainerStatus.RUNNING
    with pytest.raises(KeyboardInterrupt):
        instance.remove()

    assert is_clean(engine, run_dir)
