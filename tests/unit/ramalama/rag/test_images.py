"""An index in an image."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import RagError
from ramalama.models.transports.oci.image_archive import image_archive
from ramalama.models.transports.oci.pack import pack_file
from ramalama.rag.images import has_index, load_index, pack_index, read_index
from ramalama.rag.indexing import index_documents
from ramalama_engines.fake import FakeEngine

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
