from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.serving.sides.worker import Workers
from ramalama_engines.fake.engine import FakeProgram
from tests.unit.ramalama.serving.sides.far_host import IMAGE, make_engine

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama_engines import ContainerSpec


def test_the_log_of_a_worker_is_kept_where_the_engine_can_read_it(tmp_path: Path) -> None:
    specs: list[ContainerSpec] = []

    def script(spec: ContainerSpec) -> FakeProgram:
        specs.append(spec)
        return FakeProgram(logs=("said",), exit_code=0)

    workers = Workers(make_engine(script, root=tmp_path), IMAGE, (), "label")

    assert workers.run(("sha256sum",), size=1) == "said"
    # Without a size, Podman may use the journal, whose end a user without rights cannot read.
    assert specs[0].log_size is not None
