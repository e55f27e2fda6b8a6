"""An index in an image."""

from __future__ import annotations

import os
import stat
import tarfile
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import RagError
from ramalama.models.transports.oci.image_archive import image_archive
from ramalama.models.transports.oci.pack import pack_file
from ramalama.planning.labels import OWNER_LABEL, UPLOAD_LABEL
from ramalama.rag.images import has_index, load_index, pack_index, read_index
from ramalama.rag.indexing import index_documents
from ramalama.system.locks import locked
from ramalama.system.process_identity import ProcessIdentity
from ramalama_engines.fake import FakeEngine
from ramalama_engines.spec import ContainerSpec
from tests.doubles import made_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ramalama_engines import LocalImage

NAME = "quay.io/me/docs:1"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def index(tmp_path: Path) -> Path:
    (tmp_path / "guide.md").write_text("# Networks\n\nA container has no network.\n")
    path = tmp_path / "rag.db"
    index_documents([str(tmp_path / "guide.md")], path)
    return path


def loaded(engine: FakeEngine, index: Path, *, inside: str | None = None) -> LocalImage:
    if inside is None:
        load_index(engine, pack_index(index), NAME)
    else:
        package = pack_file(index, inside=inside, labels={})
        engine.load(image_archive(package, NAME), tag=NAME)
    image = engine.image(NAME)
    assert image is not None
    return image


def test_an_index_comes_back_as_it_was(engine: FakeEngine, index: Path, tmp_path: Path) -> None:
    image = loaded(engine, index)

    copy = read_index(engine, image, tmp_path / "cache")

    assert copy.read_bytes() == index.read_bytes()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]
    assert engine.list({}) == ()


def test_an_index_is_copied_once(engine: FakeEngine, index: Path, tmp_path: Path) -> None:
    image = loaded(engine, index)
    copy = read_index(engine, image, tmp_path / "cache")
    engine.close()

    assert read_index(engine, image, tmp_path / "cache") == copy


def test_the_labels_say_what_is_in_it(engine: FakeEngine, index: Path) -> None:
    image = loaded(engine, index)

    assert has_index(image)
    assert image.labels == {
        "ai.ramalama.rag.format": "1",
        "ai.ramalama.rag.documents": "1",
        "ai.ramalama.rag.chunks": "1",
    }


def test_the_same_index_makes_the_same_image(index: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.write_bytes(index.read_bytes())
    other.chmod(0o640)

    assert pack_index(index).manifest == pack_index(other).manifest


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("etc/passwd", "the image has no index"),
        ("rag/rag.db/file", "the image has no index"),
        ("vector.db/meta.json", "an index of upstream RamaLama"),
        ("rag/vector.db/meta.json", "an index of upstream RamaLama"),
    ],
)
def test_an_image_without_an_index_is_told(
    engine: FakeEngine, index: Path, tmp_path: Path, inside: str, words: str
) -> None:
    image = loaded(engine, index, inside=inside)

    with pytest.raises(RagError, match=words) as caught:
        read_index(engine, image, tmp_path / "cache")

    assert "ramalama rag DOCUMENT" in str(caught.value)
    assert not has_index(image)
    assert engine.list({}) == ()


def made(engine: FakeEngine, *entries: tuple[tarfile.TarInfo, bytes]) -> LocalImage:
    engine.load([made_image.archive(NAME, [made_image.layer(*entries)])], tag=NAME)
    image = engine.image(NAME)
    assert image is not None
    return image


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_link_a_device_and_a_pipe_are_not_read(
    engine: FakeEngine, tmp_path: Path, kind: bytes
) -> None:
    image = made(engine, (made_image.entry("rag/rag.db", kind, "/etc/shadow"), b""))

    with pytest.raises(RagError, match="cannot be used: it is a link, a device or a pipe"):
        read_index(engine, image, tmp_path / "cache")

    assert list((tmp_path / "cache").iterdir()) == []
    assert engine.list({}) == ()


@pytest.mark.parametrize("content", [b"", b"hello", bytes(1 << 21), b"SQLite format 3\0" * 100])
def test_what_is_no_index_is_told_by_its_name_in_the_image_and_not_kept(
    engine: FakeEngine, tmp_path: Path, content: bytes
) -> None:
    image = made(engine, (made_image.entry("rag/rag.db"), content))

    with pytest.raises(RagError, match=r"^/rag/rag.db in the image cannot be used: this is"):
        read_index(engine, image, tmp_path / "cache")

    assert list((tmp_path / "cache").iterdir()) == []


def test_of_what_is_no_index_only_the_beginning_is_read(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, blocks = made(engine, (made_image.entry("rag/rag.db"), b"PK")), iter(range(1000))

    def read_much(_container: str, _path: str, *, most: int) -> Iterator[bytes]:
        yield from (b"PK".ljust(min(65536, most)) for _ in blocks)

    monkeypatch.setattr(engine, "read_from", read_much)

    with pytest.raises(RagError, match="cannot be used: this is"):
        read_index(engine, image, tmp_path / "cache")

    assert next(blocks) == 1


def test_a_damaged_index_is_not_kept(engine: FakeEngine, index: Path, tmp_path: Path) -> None:
    damaged = index.read_bytes()[:4096]
    image = made(engine, (made_image.entry("rag/rag.db"), damaged))

    with pytest.raises(RagError, match=r"^/rag/rag.db in the image cannot be used: the index is"):
        read_index(engine, image, tmp_path / "cache")

    assert list((tmp_path / "cache").iterdir()) == []


def test_what_a_killed_process_has_left_is_removed_by_the_next_one(
    engine: FakeEngine, index: Path, tmp_path: Path
) -> None:
    image, cache = loaded(engine, index), tmp_path / "cache"
    copy = read_index(engine, image, cache)
    other = cache / f"image-{'0' * 64}"
    for end in (".db.abc.part", ".lock"):
        other.with_suffix(end).touch()
    owner = ProcessIdentity.of_this_process()
    dead = replace(owner, start=owner.start + 1).format()
    labels = {UPLOAD_LABEL: "rag", OWNER_LABEL: dead}
    engine.create(ContainerSpec(image=NAME, entrypoint=("none",), labels=labels))

    read_index(engine, image, cache)

    assert list(cache.iterdir()) == [copy]
    assert engine.list({}) == ()


def test_a_copy_that_is_not_used_for_a_month_goes_when_another_one_comes(
    engine: FakeEngine, index: Path, tmp_path: Path
) -> None:
    cache, image = tmp_path / "cache", loaded(engine, index)
    used = read_index(engine, image, cache)
    unused, fresh = (cache / f"image-{digit * 64}.db" for digit in "01")
    long_ago = time.time() - 31 * 86_400
    for path, last_use in ((used, long_ago), (unused, long_ago), (fresh, time.time())):
        path.touch()
        os.utime(path, (last_use, last_use))

    read_index(engine, image, cache)
    other = made(engine, (made_image.entry("rag/rag.db"), index.read_bytes() + bytes(4096)))
    copy = read_index(engine, other, cache)

    assert set(cache.iterdir()) == {used, fresh, copy}


def test_the_copy_that_another_process_is_writing_stays(
    engine: FakeEngine, index: Path, tmp_path: Path
) -> None:
    image, cache = loaded(engine, index), tmp_path / "cache"
    copy = read_index(engine, image, cache)
    part, lock = (cache / f"image-{'0' * 64}.{end}" for end in ("db.abc.part", "lock"))
    part.touch()

    with locked(lock):
        read_index(engine, image, cache)

        assert set(cache.iterdir()) == {copy, part, lock}


class CutOff(FakeEngine):
    """An engine whose answers end too early."""

    def read_from(self, container: str, path: str, *, most: int) -> Iterator[bytes]:
        yield from (content[:-1] for content in super().read_from(container, path, most=most))


def test_half_an_index_does_not_stay(index: Path, tmp_path: Path) -> None:
    engine = CutOff()
    image = loaded(engine, index)

    size = index.stat().st_size
    with pytest.raises(RagError, match=f"sent {size - 1} bytes of an index that has {size}"):
        read_index(engine, image, tmp_path / "cache")

    assert list((tmp_path / "cache").iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_copied(
    engine: FakeEngine, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = loaded(engine, index)
    monkeypatch.setattr("ramalama.rag.images._RESERVE", 1 << 60)

    with pytest.raises(RagError, match=r"has .* left"):
        read_index(engine, image, tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_told(
    engine: FakeEngine, index: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_bytes(b"")

    with pytest.raises(RagError, match="cannot be kept in"):
        read_index(engine, loaded(engine, index), tmp_path / "cache")
