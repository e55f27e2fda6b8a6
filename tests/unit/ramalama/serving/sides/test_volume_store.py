"""Models that are sent into volumes: which of these count as complete."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from ramalama.events import ignore
from ramalama.models.formats.model_files import Digest
from ramalama.planning.labels import UPLOAD_LABEL
from ramalama.serving.sides.upload import Upload
from ramalama.serving.sides.volumes import VolumeStore
from ramalama_engines.errors import EngineError
from ramalama_engines.fake.engine import FakeProgram
from ramalama_engines.spec import VolumeMount
from tests.unit.ramalama.serving.sides.far_host import IMAGE, make_engine

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama_engines import ContainerSpec
    from ramalama_engines.fake import FakeEngine


class Far:
    """An engine that sees none of our files; *joined* has what was verified."""

    def __init__(self, directory: Path) -> None:
        self.joined: list[str] = []
        self.engine: FakeEngine = make_engine(self._join, root=directory)
        model = directory / "model.gguf"
        model.write_bytes(b"the weights")
        digest = Digest(hashlib.sha256(b"the weights").hexdigest())
        self.upload = Upload(
            model="the model",
            files={model: "/mnt/models/model"},
            digest_of=lambda _: digest,
            image=IMAGE,
            tell=ignore,
        )
        self.store = VolumeStore(engine=self.engine, name="far", locks=directory)

    def _join(self, spec: ContainerSpec) -> FakeProgram:
        if spec.entrypoint == ("sh",):
            self.joined.append(spec.command[-1])
        return FakeProgram(exit_code=0)


@pytest.fixture
def far(tmp_path: Path) -> Far:
    return Far(tmp_path)


def test_a_model_is_sent_once_and_nothing_else_is_left(far: Far) -> None:
    before = far.store.has(far.upload)
    volumes = {far.store.bring(far.upload) for _ in range(2)}
    (copy,) = far.store.copies()
    after = far.store.has(far.upload)
    far.store.remove(copy.place)

    assert (before, after) == (False, True)
    assert volumes == {copy.place}
    assert (copy.model, copy.size, copy.complete) == ("the model", 11, True)
    assert len(far.joined) == 1
    assert not far.engine.list({})
    assert not far.engine.volumes({})


def test_a_volume_does_not_count_before_all_was_verified(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        msg = "the host is gone"
        raise EngineError(msg, engine="")

    with monkeypatch.context() as patch:
        patch.setattr(far.engine, "wait", fail)
        with pytest.raises(EngineError):
            far.store.bring(far.upload)
    # As `podman container prune` does, which must not make it complete.
    for state in far.engine.list({}):
        far.engine.remove(state.id, force=True)
    (copy,) = far.store.copies()
    far.store.bring(far.upload)

    assert not copy.complete
    assert far.store.has(far.upload)
    assert len(far.joined) == 2


def test_a_mark_that_is_left_does_not_count_for_another_volume(far: Far) -> None:
    volume = far.store.bring(far.upload)
    far.engine.remove_volume(volume)
    left = far.store.has(far.upload)
    far.engine.create_volume(volume, {})  # by an engine, for a server that is being started
    empty = far.store.has(far.upload)
    far.store.bring(far.upload)

    assert (left, empty) == (False, False)
    assert len(far.joined) == 2


def test_a_volume_that_is_removed_while_its_container_is_created_is_made_again(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, removed = far.engine.create, list[str]()

    def create_late(spec: ContainerSpec) -> str:
        if not removed:
            (mount,) = spec.mounts
            assert isinstance(mount, VolumeMount)
            far.engine.remove_volume(mount.name)
            removed.append(mount.name)
        return create(spec)

    monkeypatch.setattr(far.engine, "create", create_late)
    volume = far.store.bring(far.upload)

    assert removed == [volume]
    assert far.store.has(far.upload)
    assert list(far.engine.list({})) == []


@pytest.mark.parametrize("size", ["\x1b[2J", "9" * 5000, "-1", "1e9", "", "[]"])
def test_the_labels_of_others_are_not_believed(far: Far, size: str) -> None:
    labels = {UPLOAD_LABEL: "\x1b", f"{UPLOAD_LABEL}.size": size}
    for name in ("ramalama-model-x", f"ramalama-model-{'0' * 32}", "ramalama-model-../etc", "mine"):
        if "/" not in name:
            far.engine.create_volume(name, labels)

    (copy,) = far.store.copies()

    assert (copy.size, copy.complete) == (None, False)
