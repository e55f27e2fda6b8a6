"""The engine in memory keeps the contract, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama_engines.errors import ImageBuildError, ProgramNotFound
from ramalama_engines.fake.engine import FakeBuild, FakeEngine, FakeProgram
from ramalama_engines.kinds import EngineKind
from ramalama_engines.spec import ContainerSpec, LocalImage
from tests.contract.engine_contract import EXIT_3, NO_PROGRAM, READY, THREE_LINES, EngineContract
from tests.contract.file_contract import FileContract
from tests.contract.image_contract import FAILING_STEP, ImageContract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ramalama_engines.engine import Engine

IMAGE = "localhost/fake:1"

PROGRAMS: dict[tuple[str, ...], FakeProgram] = {
    EXIT_3: FakeProgram(exit_code=3),
    THREE_LINES: FakeProgram(logs=("one", "two", "three"), exit_code=0),
    READY: FakeProgram(logs=("ready",)),
    NO_PROGRAM: FakeProgram(start_error=ProgramNotFound("no-such-program is not there")),
}


def play(spec: ContainerSpec) -> FakeProgram:
    return PROGRAMS.get(spec.command, FakeProgram())


def build(asked: FakeBuild) -> LocalImage:
    steps = (asked.context / asked.containerfile).read_text().splitlines()
    if f"RUN {FAILING_STEP}" in steps:
        msg = f"{FAILING_STEP} has failed"
        raise ImageBuildError(msg)
    return LocalImage(
        id=f"sha256:{asked.tag}",
        labels={"word": asked.build_args["WORD"]},
        volumes=tuple(
            path for step in steps if step.startswith("VOLUME ") for path in step.split()[1:]
        ),
    )


def fake(kind: EngineKind) -> FakeEngine:
    images = {IMAGE: LocalImage(id="sha256:1")}
    return FakeEngine(kind=kind, images=images, builder=build, script=play)


class _OnFake:
    @pytest.fixture(params=EngineKind)
    def engine(self, request: pytest.FixtureRequest) -> Iterator[FakeEngine]:
        with fake(request.param) as engine:
            yield engine

    @pytest.fixture
    def volumes(self, engine: FakeEngine) -> Callable[[], set[str]]:
        return lambda: {*engine.anonymous_volumes, *(v.name for v in engine.volumes({}))}

    @pytest.fixture
    def image(self) -> str:
        return IMAGE


class TestFakeEngine(_OnFake, EngineContract):
    @pytest.fixture
    def second(self, engine: Engine) -> Engine:
        return engine


class TestFakeFiles(_OnFake, FileContract):
    @pytest.fixture
    def second(self, engine: Engine) -> Engine:
        return engine


class TestFakeImages(_OnFake, ImageContract):
    pass
