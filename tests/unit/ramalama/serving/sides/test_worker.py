"""Containers that are no servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama.planning.labels import OWNER_LABEL, UPLOAD_LABEL
from ramalama.serving.cleanup import remove_orphaned
from ramalama.serving.sides.worker import Workers
from ramalama.system.process_identity import ProcessIdentity
from ramalama_engines import ContainerSpec, EngineKind, LocalImage
from ramalama_engines.fake import FakeEngine
from ramalama_engines.fake.engine import FakeProgram
from tests.unit.ramalama.serving.sides.far_host import IMAGE, make_engine

if TYPE_CHECKING:
    from pathlib import Path

ME = ProcessIdentity.of_this_process()


@pytest.mark.parametrize(
    ("host", "pid", "volume", "left"),
    [
        (ME.host, ME.pid, "v", 1),
        (ME.host, 4194304, "v", 0),
        (ME.host, 4194304, "w", 1),
        ("00000000", 4194304, "v", 1),
    ],
    ids=["lives", "killed", "killed, of another volume", "of another host"],
)
def test_what_a_killed_process_runs_for_the_same_volume_is_ended(
    host: str, pid: int, volume: str, left: int
) -> None:
    engine = FakeEngine(kind=EngineKind.PODMAN, images={IMAGE: LocalImage(id="1")})
    owner = ProcessIdentity(host=host, pid=pid, start=ME.start).format()
    labels = {UPLOAD_LABEL: volume, OWNER_LABEL: owner}
    engine.start(engine.create(ContainerSpec(image=IMAGE, labels=labels)))

    Workers(engine, IMAGE, (), "v").remove_abandoned()

    assert len(engine.list({})) == left


def test_a_container_of_another_program_is_left_alone_whatever_its_image_says(
    tmp_path: Path,
) -> None:
    owner = ProcessIdentity(host=ME.host, pid=4194304, start=ME.start).format()
    image = LocalImage(id="1", labels={UPLOAD_LABEL: "", OWNER_LABEL: owner})
    engine = FakeEngine(kind=EngineKind.PODMAN, images={IMAGE: image})
    engine.start(engine.create(ContainerSpec(image=IMAGE)))

    remove_orphaned(engine, tmp_path)

    assert len(engine.list({})) == 1


@pytest.mark.parametrize(("pid", "left"), [(ME.pid, 1), (4194304, 0)], ids=["lives", "killed"])
def test_the_next_command_removes_what_only_read_a_file_for_a_killed_process(
    tmp_path: Path, pid: int, left: int
) -> None:
    engine = FakeEngine(images={IMAGE: LocalImage(id="1")})
    owner = ProcessIdentity(host=ME.host, pid=pid, start=ME.start).format()
    labels = {UPLOAD_LABEL: "rag", OWNER_LABEL: owner}
    engine.create(ContainerSpec(image=IMAGE, labels=labels))

    remove_orphaned(engine, tmp_path)

    assert len(engine.list({})) == left


def test_the_log_of_a_worker_is_kept_where_the_engine_can_read_it(tmp_path: Path) -> None:
    specs: list[ContainerSpec] = []

    def script(spec: ContainerSpec) -> FakeProgram:
        specs.append(spec)
        return FakeProgram(logs=("said",), exit_code=0)

    workers = Workers(make_engine(script, root=tmp_path), IMAGE, (), "label")

    assert workers.run(("sha256sum",), size=1) == "said"
    # Without a size, Podman may use the journal, whose end a user without rights cannot read.
    assert specs[0].log_size is not None
