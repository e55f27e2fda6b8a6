"""What becomes of a block that uses a server, if the server cannot be removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama.cli.error_boundary import Serving
from ramalama.cli.signals import Signals
from ramalama.config.options import ServeOptions
from ramalama.errors import EngineFailure, ModelNotFound
from ramalama.events import ContainerStarted, EngineConnected
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama_engines import EngineKind
from ramalama_engines.errors import EngineUnavailable
from tests.unit.ramalama.serving.servers import ServerFixture

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

REMOVED_LATER = "; the next command removes the container\n"


@pytest.fixture
def signals() -> Generator[Signals]:
    made = Signals()
    yield made
    made.close()


@pytest.fixture
def servers(run_dir: Path) -> Generator[ServerFixture]:
    with ServerFixture(root=run_dir) as made:
        yield made


def use(servers: ServerFixture, signals: Signals, error: BaseException | None = None) -> None:
    """Use a server whose engine goes meanwhile, until *error*."""
    with Serving(servers.ramalama().serve(servers.options), signals):
        servers.engine.close()
        if error is not None:
            raise error


def test_a_complete_answer_stays_complete(
    servers: ServerFixture, signals: Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    use(servers, signals)

    err = capsys.readouterr().err
    assert err.startswith("Warning: ")
    assert err.endswith(REMOVED_LATER)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), ZeroDivisionError(), EngineFailure(EngineUnavailable("no"))]
)
def test_what_ended_the_block_is_still_raised(
    servers: ServerFixture,
    signals: Signals,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
) -> None:
    with pytest.raises(type(error)) as caught:
        use(servers, signals, error)

    assert caught.value is error
    assert capsys.readouterr().err.endswith(REMOVED_LATER)


def test_nothing_is_said_of_a_server_that_was_removed(
    servers: ServerFixture, signals: Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    with Serving(servers.ramalama().serve(servers.options), signals) as server:
        assert server.running

    assert servers.is_clean()
    assert capsys.readouterr().err == ""


def test_a_start_that_fails_fails(servers: ServerFixture, signals: Signals) -> None:
    servers.options = ServeOptions(model=ModelRef(Scheme.FILE, "/nowhere.gguf"))

    with pytest.raises(ModelNotFound):
        use(servers, signals)


def test_the_engine_is_named() -> None:
    signals = Signals()
    signals.note_engine(ContainerStarted("1"))
    before = signals.waits_for
    signals.note_engine(EngineConnected(EngineKind.DOCKER, "unix:///docker.sock"))

    assert before == "the clean-up to end"
    assert signals.waits_for == "docker to remove the container"
