"""What an index finds, and what it leaves out."""

from __future__ import annotations

import random
from array import array
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import IndexInvalid, IndexNotFound
from ramalama.rag.index.index import Index
from ramalama.rag.index.probes import PROBES
from ramalama.rag.values import Chunk
from tests.unit.ramalama.rag.index.made_index import TEXTS, write
from tests.unit.ramalama.rag.word_embedder import DIMENSION, WordEmbedder

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama.rag.values import SearchableIndex


@pytest.fixture
def index(tmp_path: Path) -> Generator[Index]:
    with Index.open(write(tmp_path / "docs.db")) as opened:
        yield opened


@pytest.fixture
def with_vectors(tmp_path: Path) -> Generator[Index]:
    with Index.open(write(tmp_path / "vectors.db", embedder=WordEmbedder())) as opened:
        yield opened


def found(index: SearchableIndex, question: str, *, neighbours: int = 0) -> list[str]:
    return [each.text for each in index.search(question, neighbours=neighbours)]


def test_words_are_found_in_another_form(index: Index) -> None:
    assert found(index, "What do cats hunt?") == ["They hunt mice at night."]
    assert found(index, "hunting a cat") == ["They hunt mice at night."]


def test_the_best_passage_comes_first_and_has_the_highest_score(index: Index) -> None:
    passages = index.search("Do sailors drop an anchor, or cross the ocean?", neighbours=0)

    assert [each.text for each in passages] == [
        "Sailors drop the anchor in the harbour.",
        "Ships cross the ocean.",
    ]
    assert 1 >= passages[0].score > passages[1].score > 0


@pytest.mark.parametrize("probe", [*PROBES, "", "???", "the and of", "\0", "  \n", "-"])
def test_a_question_that_the_documents_do_not_answer_finds_nothing(
    index: Index, probe: str
) -> None:
    assert found(index, probe) == []


@pytest.mark.parametrize(
    "question",
    [
        'anchor" OR "cats',
        "anchor AND NOT (",
        "title:anchor harbour",
        "{title text}: anchor harbour",
        "NEAR(anchor harbour)",
        "anchor*",
        "^anchor + harbour",
        "'; DROP TABLE chunk; -- anchor harbour",
        "anchor\0harbour",
    ],
)
def test_nothing_in_a_question_is_syntax(index: Index, question: str) -> None:
    assert "Sailors drop the anchor in the harbour." in found(index, question)


def test_a_question_of_a_megabyte_is_searched_in_time(index: Index) -> None:
    assert found(index, "anchor harbour sailors " * 50_000)


def test_a_passage_has_its_neighbours_and_no_chunk_comes_twice(index: Index) -> None:
    (passage,) = index.search("cats hunt mice, kittens play with wool", neighbours=2)

    assert passage.text == "\n".join(TEXTS["cats.md"])
    assert passage.uri == "cats.md"


def test_what_chunks_have_in_common_is_shown_once(tmp_path: Path) -> None:
    chunks = [
        Chunk(text="one two", headings=("A",), page=3),
        Chunk(text="two three", headings=("A", "B"), page=4, overlap=4),
    ]
    with Index.open(write(tmp_path / "a.db", {"a.pdf": chunks, "b": ["four"]})) as index:
        (passage,) = index.search("three")

    assert passage.text == "one two\nthree"
    assert (passage.headings, passage.page) == (("A", "B"), 4)
    assert passage.label == "a.pdf p. 4 › B"


def test_a_neighbour_is_of_the_same_document(index: Index) -> None:
    (passage,) = index.search("ocean", neighbours=5)

    assert passage.text == "\n".join(TEXTS["ships.md"])


def test_headings_and_titles_are_searched(tmp_path: Path) -> None:
    chunk = Chunk(text="It is off.", headings=("Firewall",))
    path = write(tmp_path / "a.db", {"networking.md": [chunk], "b.md": ["x"]})
    with Index.open(path) as index:
        assert found(index, "firewall") == ["It is off."]
        assert found(index, "networking") == ["It is off."]


def test_a_meaning_is_found_by_its_vector_alone(with_vectors: Index) -> None:
    vector = WordEmbedder().embed_question("cats.md Kittens play with wool.")

    (best, *_) = with_vectors.search("zzz", vector, neighbours=0)

    assert best.text == "Kittens play with wool."


def test_a_vector_that_is_near_to_nothing_finds_nothing(with_vectors: Index) -> None:
    vector = WordEmbedder().embed_question(PROBES[3])

    assert with_vectors.search("zzz", vector) == []


def test_the_limit_is_kept(tmp_path: Path) -> None:
    texts = {f"{number:02}": ["an anchor"] for number in range(30)}
    with Index.open(write(tmp_path / "a.db", texts)) as index:
        assert len(index.search("anchor", limit=5)) == 5


def test_all_vectors_are_compared_and_the_nearest_one_is_found(tmp_path: Path) -> None:
    chance = random.Random(5)  # noqa: S311 (texts, not secrets)
    words = [f"w{number}" for number in range(400)]
    texts = {
        f"{number:04}": [" ".join(chance.choices(words, k=12)) for _ in range(5)]
        for number in range(300)
    }
    embedder = WordEmbedder()
    with Index.open(write(tmp_path / "a.db", texts, embedder)) as index:
        hits = 0
        for number in range(0, 300, 10):
            wanted = texts[f"{number:04}"][number % 5]
            vector = embedder.embed_question(f"{number:04} {wanted}")
            hits += index.search("zzz", vector, neighbours=0)[0].text == wanted
    assert hits >= 29  # of 30


def test_an_index_says_what_it_has(index: Index, with_vectors: Index, tmp_path: Path) -> None:
    assert (index.info.documents, index.info.chunks, index.info.embedder) == (3, 7, None)
    assert index.info.size == (tmp_path / "docs.db").stat().st_size
    assert with_vectors.info.embedder == WordEmbedder().info
    assert with_vectors.info.without_vector == 0


def test_chunks_without_a_vector_are_counted_and_found_by_their_words(tmp_path: Path) -> None:
    embedder = WordEmbedder(refuses="mice")
    with Index.open(write(tmp_path / "a.db", embedder=embedder)) as index:
        assert index.info.without_vector == 1
        vector = embedder.embed_question("cats hunt mice")
        assert "They hunt mice at night." in [
            each.text for each in index.search("cats hunt mice", vector, neighbours=0)
        ]


@pytest.mark.parametrize(
    "vector",
    [array("f", [1.0]), array("f", [0.0] * DIMENSION), array("f", [1.0] * DIMENSION)],
    ids=["dimension", "nothing", "length"],
)
def test_a_vector_of_another_model_is_refused(with_vectors: Index, vector: array[float]) -> None:
    with pytest.raises(IndexInvalid):
        with_vectors.search("cats", vector)


def test_a_vector_is_of_no_use_for_an_index_without_any(index: Index) -> None:
    assert index.search("ocean", array("f", [1.0]))


def test_threads_share_an_index(with_vectors: Index) -> None:
    embedder = WordEmbedder()

    def ask(number: int) -> list[str]:
        question = ("cats hunt mice", "sailors anchor", "tar archive")[number % 3]
        vector = embedder.embed_question(question)
        return [each.text for each in with_vectors.search(question, vector, neighbours=0)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(60)))
    assert answers == answers[:3] * 20


def test_an_index_that_is_replaced_meanwhile_is_read_to_its_end(tmp_path: Path) -> None:
    path = write(tmp_path / "a.db")
    with Index.open(path) as index:
        write(path, {"other": ["something else"]})
        assert found(index, "ocean") == ["Ships cross the ocean."]
    with Index.open(path) as index:
        assert found(index, "ocean") == []


def test_an_index_is_opened_where_nothing_can_be_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.db")
    path.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        with Index.open(path) as index:
            assert found(index, "ocean")
    finally:
        tmp_path.chmod(0o700)
    assert [each.name for each in tmp_path.iterdir()] == ["a.db"]


def test_a_name_with_characters_of_urls_is_a_path(tmp_path: Path) -> None:
    path = write(tmp_path / "a?mode=rwc#x%41 ü.db")

    with Index.open(path) as index:
        assert found(index, "ocean")


def test_a_directory_stands_for_the_index_in_it(tmp_path: Path) -> None:
    write(tmp_path / "rag.db")

    with Index.open(tmp_path) as index:
        assert index.info.documents == 3


def test_an_index_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound, match=r"make one: `ramalama rag DOCUMENT… .*docs\.db`"):
        Index.open(tmp_path / "docs.db")
    with pytest.raises(IndexNotFound):
        Index.open(tmp_path)


def test_an_index_of_upstream_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "collection" / "rag").mkdir(parents=True)
    (tmp_path / "collection" / "rag" / "storage.sqlite").write_bytes(b"SQLite format 3\0")
    (tmp_path / "meta.json").write_text("{}")

    with pytest.raises(IndexInvalid, match=r"Qdrant.*make a new one.*ramalama rag"):
        Index.open(tmp_path)
