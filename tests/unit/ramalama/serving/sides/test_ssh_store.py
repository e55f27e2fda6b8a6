"""Models that are sent by SFTP: which of the files there are believed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import pytest

from ramalama.events import ignore
from ramalama.models.formats.model_files import Digest
from ramalama.planning.labels import LABEL, MODEL_LABEL
from ramalama.serving.sides.copies import remove_unused, used_models
from ramalama.serving.sides.ssh_files import SshStore
from ramalama.serving.sides.upload import Upload
from ramalama_engines import ContainerSpec
from ramalama_engines.errors import EngineError
from ramalama_engines.fake.engine import FakeProgram
from ramalama_engines.spec import BindMount
from tests.unit.ramalama.serving.sides.far_host import IMAGE, make_engine
from tests.unit.ramalama.serving.sides.here_as_there import HereAsThere

if TYPE_CHECKING:
    from ramalama.events import Event
    from ramalama_engines.spec import Mount

CONTENT = b"the weights"
DIGEST = Digest(hashlib.sha256(CONTENT).hexdigest())


def digest_of(path: Path) -> Digest:
    return Digest(hashlib.sha256(path.read_bytes()).hexdigest())


def is_bind(mount: Mount) -> TypeGuard[BindMount]:
    return isinstance(mount, BindMount)


class Far:
    """A store, and what happens there."""

    def __init__(self, directory: Path, *, rootless: bool = False) -> None:
        self.model = directory / "model.gguf"
        self.model.write_bytes(CONTENT)
        self.place = directory / "store" / DIGEST.file_name
        self.files = HereAsThere()
        self.verifications: list[ContainerSpec] = []
        self.engine = make_engine(self._verify, root=Path("/"), rootless=rootless)
        self.store = SshStore(
            engine=self.engine,
            files=self.files,
            store=str(self.place.parent),
            user=(os.getuid(), 4321),
            name="far",
            locks=directory,
        )
        self.upload = Upload(
            model="the model",
            files={self.model: "/mnt/model"},
            digest_of=digest_of,
            image=IMAGE,
            tell=ignore,
        )

    def _verify(self, spec: ContainerSpec) -> FakeProgram:
        if spec.entrypoint != ("sha256sum",):
            return FakeProgram()
        self.verifications.append(spec)
        places = {mount.target: mount.source for mount in spec.mounts if is_bind(mount)}
        digests = {each: digest_of(Path(places[each])).hex for each in spec.command}
        return FakeProgram(logs=tuple(f"{digests[each]}  {each}" for each in digests), exit_code=0)

    def put(self, content: bytes, *, mode: int = 0o600) -> None:
        self.place.parent.mkdir(mode=0o700)
        self.place.write_bytes(content)
        self.place.chmod(mode)


@pytest.fixture
def far(tmp_path: Path) -> Far:
    return Far(tmp_path)


def test_a_model_is_sent_and_verified_once(far: Far) -> None:
    before = far.store.has(far.upload)
    places = [far.store.bring(far.upload) for _ in range(2)]

    assert not before
    assert places == [{far.model: str(far.place)}] * 2
    assert far.place.read_bytes() == CONTENT
    assert (len(far.files.uploads), len(far.verifications)) == (1, 1)
    assert far.store.has(far.upload)
    assert [(copy.model, copy.complete) for copy in far.store.copies()] == [("the model", True)]


@pytest.mark.parametrize("content", [b"the_weights", b"other", b""])
def test_a_file_that_only_has_the_right_name_is_not_believed(far: Far, content: bytes) -> None:
    far.put(content)
    before = far.store.has(far.upload)
    far.store.bring(far.upload)

    assert not before
    assert far.place.read_bytes() == CONTENT
    assert len(far.files.uploads) == 1


def test_a_file_that_was_not_verified_is_listed_as_partial(far: Far) -> None:
    far.put(CONTENT)

    assert [copy.complete for copy in far.store.copies()] == [False]


def test_the_right_file_is_verified_where_it_is_and_not_sent_again(far: Far) -> None:
    far.put(CONTENT)
    far.store.bring(far.upload)

    assert far.files.uploads == []
    assert len(far.verifications) == 1
    assert far.store.has(far.upload)


def test_the_files_of_a_model_are_verified_together(far: Far, tmp_path: Path) -> None:
    directory = tmp_path / "shards"
    directory.mkdir()
    for number in range(150):
        (directory / f"{number}").write_text(f"{number // 2}")  # each content is there twice
    upload = replace(far.upload, files={directory: "/mnt/model"})
    places = far.store.bring(upload)

    assert len(places) == 150
    assert len(far.files.uploads) == len(set(places.values())) == 75
    assert len(far.verifications) == 1
    assert far.store.has(upload)


def test_a_file_that_changes_while_it_is_sent_is_not_kept(far: Far) -> None:
    def tell(_: Event) -> None:
        far.model.write_bytes(b"other.......")

    with pytest.raises(EngineError, match="not the one that was sent"):
        far.store.bring(replace(far.upload, tell=tell))

    assert [path for path in far.place.parent.iterdir() if path.suffix != ".json"] == []
    far.store.bring(far.upload)
    assert far.store.has(far.upload)


def test_another_host_may_finish_the_same_file_at_any_moment(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = Path(f"{far.place}.json")
    write = far.files.write

    def write_late(path: str, content: bytes) -> None:
        note.write_text('{"model": "of the other host"}')
        far.place.write_bytes(CONTENT)
        far.place.chmod(0o400)
        write(path, content)

    monkeypatch.setattr(far.files, "write", write_late)
    far.store.bring(far.upload)

    assert far.store.has(far.upload)
    assert sorted(path.name for path in note.parent.iterdir()) == [far.place.name, note.name]


def test_a_link_in_place_of_a_file_is_replaced_and_not_followed(far: Far, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"of the user")
    far.place.parent.mkdir(mode=0o700)
    far.place.symlink_to(other)
    far.store.bring(far.upload)
    part = far.files.uploads[0]
    far.place.unlink()
    Path(part).symlink_to(other)
    far.store.bring(far.upload)

    assert other.read_bytes() == b"of the user"
    assert far.place.read_bytes() == CONTENT
    assert not far.place.is_symlink()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
def test_no_model_is_kept_where_other_users_can_write(far: Far, mode: int) -> None:
    far.put(CONTENT, mode=0o400)
    far.place.parent.chmod(mode)

    assert not far.store.has(far.upload)
    with pytest.raises(EngineError, match="is not a private directory"):
        far.store.bring(far.upload)


@pytest.mark.parametrize(("rootless", "user"), [(True, "0:0"), (False, f"{os.getuid()}:4321")])
def test_what_was_sent_is_verified_as_the_user_who_can_read_it(
    tmp_path: Path, user: str, *, rootless: bool
) -> None:
    far = Far(tmp_path, rootless=rootless)
    far.store.bring(far.upload)

    assert [spec.user for spec in far.verifications] == [user]


def test_other_files_in_the_store_are_none_of_ours(far: Far) -> None:
    far.put(CONTENT)
    for name in ("notes.txt", ".clock", f"{DIGEST.file_name}.json", "sha256-12", "\x1b[2J"):
        (far.place.parent / name).touch()

    assert [copy.place for copy in far.store.copies()] == [str(far.place)]


def test_a_model_whose_server_is_created_while_it_is_removed_is_given_back(far: Far) -> None:
    far.store.bring(far.upload)
    copies = list(far.store.copies())
    labels = {LABEL: "", MODEL_LABEL: "the model"}

    def is_used() -> bool:
        assert not far.store.has(far.upload)
        far.engine.create(ContainerSpec(image=IMAGE, labels=labels))
        return "the model" in used_models(far.engine)

    removed = remove_unused(far.engine, copies, lambda copy: far.store.remove(copy.place, is_used))

    assert removed == []
    assert far.store.has(far.upload)


def test_a_model_that_no_server_uses_is_removed_with_its_note(far: Far) -> None:
    far.store.bring(far.upload)
    far.store.remove(str(far.place), lambda: False)

    assert list(far.place.parent.iterdir()) == []
