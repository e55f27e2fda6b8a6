from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from ramalama.events import ignore
from ramalama.serving.run_dir import ServerDir
from ramalama.serving.sides.evidence import sees_model
from ramalama.serving.sides.facts import HostFacts
from ramalama.serving.sides.remote import RemoteSide
from ramalama.serving.sides.upload import Upload
from ramalama_engines.fake.engine import FakeProgram
from ramalama_engines.spec import BindMount, VolumeMount
from tests.unit.ramalama.serving.sides.far_host import IMAGE, make_engine


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


@pytest.mark.parametrize(("sees_run_dir", "kind"), [(True, BindMount), (False, VolumeMount)])
def test_a_model_is_mounted_wherever_the_machine_has_the_directories_of_servers(
    tmp_path: Path, kind: type[object], *, sees_run_dir: bool
) -> None:
    weights, run_dir = tmp_path / "model.gguf", tmp_path / "run"
    weights.write_bytes(b"1234")
    engine = make_engine(lambda _: FakeProgram(), root=Path("/"), url="unix:///nowhere.sock")
    facts = HostFacts(
        engine=engine.info.id,
        cpus=4,
        memory=8 << 30,
        sees_files=sees_run_dir,
        has_sockets=False,
        uid=501,
        gid=501,
    )
    facts.write(run_dir, engine.url)
    files = {weights: "/mnt/models/model.gguf"}

    upload = Upload(model=str(weights), files=files, digest_of=_no_digest, image=IMAGE, tell=ignore)
    side = RemoteSide(engine, run_dir)

    placement = side.bring(upload)

    server = placement.server(ServerDir(run_dir / "s"), target="/s", read_only=True, relabel=True)
    (mount,) = placement.model(files, relabel=False)
    assert mount == BindMount(source=str(weights), target="/mnt/models/model.gguf")
    assert isinstance(server, kind)
    assert not placement.has_sockets
    assert side.has(upload)


def _no_digest(_: Path) -> NoReturn:
    pytest.fail("nothing is sent")
