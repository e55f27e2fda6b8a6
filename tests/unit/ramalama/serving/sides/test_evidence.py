from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama.serving.sides.evidence import sees_model
from ramalama_engines.fake.engine import FakeProgram
from tests.unit.ramalama.serving.sides.far_host import IMAGE, make_engine

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("there", "is_seen"),
    [
        ({"model.gguf": b"1234", "more/part": b"5"}, True),
        ({"model.gguf": b"1234"}, False),  # one directory is shared, and the other one is not
        ({"model.gguf": b"12", "more/part": b"5"}, False),
        ({}, False),
    ],
)
def test_a_machine_sees_a_model_if_it_has_all_of_its_files(
    tmp_path: Path, there: dict[str, bytes], *, is_seen: bool
) -> None:
    here = tmp_path / "here"
    for name, content in {"model.gguf": b"1234", "more/part": b"5"}.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(content)
    root = tmp_path / "far"
    for name, content in there.items():
        path = root / (here / name).relative_to("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    engine = make_engine(lambda _: FakeProgram(), root=root)

    files = {here / "model.gguf": "/mnt/models/model.gguf", here / "more": "/mnt/extras"}

    assert sees_model(engine, files, IMAGE) == is_seen
    assert not engine.list({})
