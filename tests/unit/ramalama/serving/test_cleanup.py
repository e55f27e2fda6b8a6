"""What dead owners leave, and what is nobody's orphan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ramalama.serving.cleanup import is_orphaned, remove_orphaned
from ramalama.serving.run_dir import ServerDir
from ramalama.system.process_identity import ProcessIdentity
from ramalama_engines import ContainerSpec, ContainerState, ContainerStatus, EngineError
from ramalama_engines.fake import FakeEngine
from tests.unit.ramalama.made_up import IMAGE

ALIVE = ProcessIdentity.of_this_process()
DEAD = replace(ALIVE, start=ALIVE.start + 1)
ELSEWHERE = replace(ALIVE, host="00000000")
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EXITED, CREATED, RUNNING = (
    *(ContainerStatus.EXITED, ContainerStatus.CREATED, ContainerStatus.RUNNING),
)


def labels(owner: ProcessIdentity | str | None) -> dict[str, str]:
    match owner:
        case None:
            return {"ai.ramalama": ""}
        case ProcessIdentity():
            return {"ai.ramalama": "", "ai.ramalama.owner": owner.format()}
        case _:
            return {"ai.ramalama": "", "ai.ramalama.owner": owner}


@pytest.mark.parametrize(
    ("owner", "status", "age", "orphaned"),
    [
        (ALIVE, RUNNING, None, False),
        (ALIVE, EXITED, 60 * MINUTE, False),
        (DEAD, RUNNING, 0 * MINUTE, True),
        (DEAD, CREATED, 0 * MINUTE, True),
        (DEAD, EXITED, None, True),
        (ELSEWHERE, RUNNING, 60 * MINUTE, False),
        (ELSEWHERE, ContainerStatus.PAUSED, 60 * MINUTE, False),
        (ELSEWHERE, EXITED, 9 * MINUTE, False),
        (ELSEWHERE, EXITED, 11 * MINUTE, True),
        (ELSEWHERE, CREATED, 11 * MINUTE, True),
        (ELSEWHERE, EXITED, None, False),
        ("garbage", EXITED, 60 * MINUTE, False),
        ("", EXITED, 60 * MINUTE, False),
        (None, EXITED, 60 * MINUTE, False),
    ],
)
def test_a_container_is_an_orphan_if_nobody_can_look_after_it_any_more(
    owner: ProcessIdentity | str | None,
    status: ContainerStatus,
    age: timedelta | None,
    orphaned: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    state = ContainerState(
        id="1",
        name="c",
        image="img",
        status=status,
        created=None if age is None else NOW - age,
        labels=labels(owner),
    )

    assert is_orphaned(state, Path("/nowhere"), now=NOW) is orphaned


class Stubborn(FakeEngine):
    """An engine that does not let go of the container `stuck`."""

    def remove(self, container: str, *, force: bool = False) -> None:
        if self.inspect(container).name == "stuck":
            msg = "device or resource busy"
            raise EngineError(msg)
        super().remove(container, force=force)


def engine_with(*containers: tuple[str, dict[str, str]]) -> FakeEngine:
    engine = Stubborn(images={"img": IMAGE})
    for name, its_labels in containers:
        engine.start(engine.create(ContainerSpec(image="img", name=name, labels=its_labels)))
    return engine


def names(engine: FakeEngine) -> list[str]:
    return [state.name for state in engine.list({})]


def test_orphans_go_and_everything_else_stays(run_dir: Path) -> None:
    engine = engine_with(
        ("orphan", labels(DEAD)),
        ("owned", labels(ALIVE)),
        ("upstreams", labels(None)),
        ("database", {"ai.ramalama.owner": DEAD.format()}),
    )
    for identity in (DEAD, ALIVE):
        ServerDir(run_dir / f"{identity.format()}-00ff").make()

    assert remove_orphaned(engine, run_dir) == 1
    assert names(engine) == ["owned", "upstreams", "database"]
    assert [path.name for path in run_dir.iterdir()] == [f"{ALIVE.format()}-00ff"]


def test_one_that_cannot_be_removed_does_not_keep_the_others(run_dir: Path) -> None:
    engine = engine_with(("stuck", labels(DEAD)), ("orphan", labels(DEAD)))
    ServerDir(run_dir / f"{DEAD.format()}-00ff").make()

    assert remove_orphaned(engine, run_dir) == 1
    assert names(engine) == ["stuck"]
    assert list(run_dir.iterdir()) == []


def test_an_engine_that_is_gone_is_no_reason_to_fail(run_dir: Path) -> None:
    engine = engine_with()
    engine.close()

    assert remove_orphaned(engine, run_dir) == 0
