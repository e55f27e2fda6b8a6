"""What `--rag` names: an index, documents, an image, or nothing."""

from __future__ import annotations

from array import array
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import (
    DocumentNotFound,
    EmbeddingFailed,
    EngineFailure,
    IndexInvalid,
    RagError,
)
from ramalama.rag.cached import CacheAccess, index_in_cache
from ramalama.rag.index.archive import Archive
from ramalama.rag.sources import SourceAccess, find_source, open_knowledge
from ramalama.rag.values import EmbedderInfo
from ramalama_engines import EngineKind
from ramalama_engines.errors import ImageNotFound
from tests.doubles.made_index import QUESTION, make_index

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Sequence
    from pathlib import Path

MODEL = EmbedderInfo(model="ollama://minilm", dimension=8)


@dataclass
class World:
    """All that sources need, in memory."""

    home: Path
    told: list[str] = field(default_factory=list[str])
    indexed: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    read: list[str] = field(default_factory=list[str])

    def access(self) -> SourceAccess:
        return SourceAccess(
            home=self.home,
            start_embedder=self.start,
            index_documents=self.index,
            read_image=self.image,
            on_event=lambda event: self.told.append(str(event)),
        )

    @contextmanager
    def start(self, info: EmbedderInfo, _cancel: threading.Event) -> Generator[Letters]:
        assert info == MODEL
        yield Letters()

    def index(self, named: str, path: Path) -> Path:
        self.indexed.append((named, str(path)))
        return make_index(self.home / "made.db")

    def image(self, name: str) -> Path:
        self.read.append(name)
        raise EngineFailure(ImageNotFound(f"no image {name}", engine=EngineKind.PODMAN))


class Letters:
    """Embeds a text as the numbers of some of its letters."""

    info = MODEL
    limit = 256

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def embed(self, texts: Sequence[str]) -> list[array[float] | None]:
        return [self.embed_question(text) for text in texts]

    def embed_question(self, question: str) -> array[float]:
        counts = [question.lower().count(letter) + 0.01 for letter in "etaoinsh"]
        length = sum(count * count for count in counts) ** 0.5
        return array("f", [count / length for count in counts])


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    return World(tmp_path)


def test_an_index_is_opened_as_it_is(world: World) -> None:
    make_index(world.home / "facts.db")

    with ExitStack() as opened:
        knowledge = open_knowledge("facts.db", world.access(), opened)
        finding = knowledge.look_up(QUESTION, [], None)

    assert finding.sources[0].uri == "docs/harbour.md"
    (told,) = world.told
    assert "the index has no vectors, so only words are searched" in told
    assert "`ramalama rag --embedding-model MODEL` makes an index with vectors" in told
    assert (world.indexed, world.read) == ([], [])


def test_a_user_who_wants_no_embedding_model_is_not_told_that_there_are_no_vectors(
    world: World,
) -> None:
    make_index(world.home / "facts.db")

    with ExitStack() as opened:
        open_knowledge("facts.db", replace(world.access(), wants_meaning=False), opened)

    assert world.told == []


def test_a_name_that_ends_with_a_slash_is_no_image(world: World) -> None:
    with pytest.raises(DocumentNotFound, match="there is no file or directory nowhere/"):
        find_source("nowhere/", world.access())

    assert world.read == []


def test_for_standard_input_an_index_has_to_be_made_first(world: World) -> None:
    with pytest.raises(DocumentNotFound, match="make an index of standard input first"):
        find_source("-", world.access())


def test_an_index_in_a_directory_and_one_below_home_are_found(world: World) -> None:
    (world.home / "index").mkdir()
    file = make_index(world.home / "index/rag.db")

    assert find_source("index", world.access()).samefile(file)
    assert find_source("~/index", world.access()).samefile(file)


@pytest.mark.parametrize("named", ["docs", "./docs", "notes.md", "~/docs"])
def test_documents_are_indexed_first(world: World, named: str) -> None:
    (world.home / "docs").mkdir()
    (world.home / "notes.md").write_text("Use -p.")

    find_source(named, world.access())

    assert [each for each, _ in world.indexed] == [named.replace("~", str(world.home))]


def test_an_index_of_upstream_is_refused_with_the_command_that_makes_one(world: World) -> None:
    (world.home / "vector.db/collection").mkdir(parents=True)
    (world.home / "vector.db/meta.json").write_text("{}")

    with pytest.raises(IndexInvalid, match="Qdrant") as caught:
        find_source("vector.db", world.access())

    assert "ramalama rag" in (caught.value.hint or "")


@pytest.mark.parametrize("named", ["./docs", "../docs", "/nonexistent/docs", "~/docs"])
def test_a_path_that_leads_nowhere_is_never_an_image(world: World, named: str) -> None:
    with pytest.raises(DocumentNotFound, match="there is no file or directory"):
        find_source(named, world.access())

    assert world.read == []


def test_a_name_that_is_neither_path_nor_image_says_both(world: World) -> None:
    with pytest.raises(DocumentNotFound, match="no file or directory here, and no image") as caught:
        find_source("quay.io/me/docs", world.access())

    assert world.read == ["quay.io/me/docs"]
    assert caught.value.hint == "./quay.io/me/docs is always a path"


def cache(world: World, *, model: str | None, embedder: Letters | None) -> CacheAccess:
    @contextmanager
    def start() -> Generator[Letters | None]:
        world.read.append("started")
        yield embedder

    return CacheAccess(
        directory=world.home / "cache",
        model=model,
        open_embedder=start,
        on_event=lambda event: world.told.append(type(event).__name__),
    )


@pytest.fixture
def docs(world: World) -> Path:
    (world.home / "docs").mkdir()
    (world.home / "docs/a.md").write_text("# Ports\n\nUse -p to publish a port.\n")
    return world.home / "docs"


def test_the_index_of_documents_is_kept_and_only_what_changes_is_read_again(
    world: World, docs: Path
) -> None:
    access = cache(world, model="", embedder=None)

    first = index_in_cache("docs", docs, access)
    again = index_in_cache("docs", docs, access)
    (docs / "b.md").write_text("Bread is baked from flour.")
    index_in_cache("docs", docs, access)

    assert first == again
    assert first.stat().st_mode & 0o077 == 0 or first.parent.stat().st_mode & 0o077 == 0
    with Archive(first) as archive:
        assert archive.meta.documents == 2
    assert "IndexPlanned" in world.told
    assert world.read == []


def test_documents_with_other_names_have_indexes_of_their_own(world: World, docs: Path) -> None:
    access = cache(world, model="", embedder=None)

    assert index_in_cache("docs", docs, access) != index_in_cache(str(docs), docs, access)


def test_an_embedding_model_starts_only_if_there_is_something_to_embed(
    world: World, docs: Path
) -> None:
    access = cache(world, model=None, embedder=Letters())

    index = index_in_cache("docs", docs, access)
    index_in_cache("docs", docs, access)
    assert world.read == ["started"]
    (docs / "b.md").write_text("Bread is baked from flour.")
    index_in_cache("docs", docs, access)

    assert world.read == ["started"] * 2
    with Archive(index) as archive:
        assert archive.meta.embedder == MODEL
        assert archive.meta.without_vector == 0


def test_a_default_model_that_cannot_be_had_is_not_tried_again(world: World, docs: Path) -> None:
    access = cache(world, model=None, embedder=None)

    for _ in range(2):
        index_in_cache("docs", docs, access)
    assert world.read == ["started"]

    index_in_cache("docs", docs, replace(access, model=MODEL.model))
    assert world.read == ["started"] * 2


def test_another_embedding_model_makes_another_index(world: World, docs: Path) -> None:
    index = index_in_cache("docs", docs, cache(world, model=MODEL.model, embedder=Letters()))
    other = Letters()
    other.info = replace(MODEL, model="ollama://other")

    index_in_cache("docs", docs, cache(world, model="ollama://other", embedder=other))

    with Archive(index) as archive:
        assert archive.meta.embedder == other.info


def test_a_model_that_has_changed_under_its_name_is_told(world: World, docs: Path) -> None:
    access = cache(world, model=MODEL.model, embedder=Letters())
    index_in_cache("docs", docs, access)
    (docs / "b.md").write_text("Bread is baked from flour.")
    other = Letters()
    other.info = replace(MODEL, digest="sha256:0")

    with pytest.raises((RagError, EmbeddingFailed), match="not the model any more"):
        index_in_cache("docs", docs, cache(world, model=MODEL.model, embedder=other))
