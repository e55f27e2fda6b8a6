"""Looking questions up: with vectors, without, and when an embedding model fails."""

from __future__ import annotations

import threading
from array import array
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import EmbeddingFailed, IndexInvalid, StartCancelled
from ramalama.rag.knowledge import IndexKnowledge
from ramalama.rag.late_embedder import LateEmbedder
from ramalama.rag.values import EmbedderInfo, IndexInfo, Passage
from ramalama_chat import ChatError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

MODEL = EmbedderInfo(model="ollama://minilm", dimension=2)
FOUND = Passage(uri="docs/a.md", title="a.md", text="Use -p.", score=0.5)
ONLY_WORDS = "only words are searched, not meanings: "


class Shelf:
    """An index that finds the same for each question."""

    def __init__(self, *, vectors: bool = True, failure: IndexInvalid | None = None) -> None:
        embedder = MODEL if vectors else None
        self.info = IndexInfo(embedder=embedder, documents=1, chunks=1, without_vector=0, size=1)
        self.failure = failure
        self.searched: list[tuple[str, array[float] | None]] = []

    def search(
        self,
        question: str,
        vector: array[float] | None = None,
        *,
        limit: int = 8,
        neighbours: int = 1,
    ) -> list[Passage]:
        del limit, neighbours
        self.searched.append((question, vector))
        if self.failure is not None:
            raise self.failure
        return [FOUND]


class Embedding:
    info = MODEL
    limit = 100
    failure: EmbeddingFailed | None = None

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]

    def embed(self, texts: Sequence[str]) -> list[array[float] | None]:
        return [None for _ in texts]

    def embed_question(self, question: str) -> array[float]:
        if self.failure is not None:
            raise self.failure
        return array("f", [len(question), 0])


def test_a_question_is_searched_by_words_and_meaning() -> None:
    shelf = Shelf()

    finding = IndexKnowledge(shelf, Embedding, notify=print).look_up("How?", [], 4096)

    assert shelf.searched == [("How?", array("f", [4, 0]))]
    assert finding.sources[0].uri == "docs/a.md"
    assert finding.prompt.endswith("Question: How?")


def test_a_short_question_is_searched_with_the_one_before_and_sent_alone() -> None:
    shelf = Shelf(vectors=False)

    finding = IndexKnowledge(shelf, notify=print).look_up("Why?", ["How?"], None)

    assert shelf.searched == [("How?\nWhy?", None)]
    assert finding.prompt.endswith("Question: Why?")


def test_without_an_embedding_model_words_are_searched_and_that_is_told_once() -> None:
    def fail() -> Embedding:
        msg = "no engine"
        raise StartCancelled(msg)

    shelf, told = Shelf(), list[str]()
    knowledge = IndexKnowledge(shelf, fail, notify=told.append)

    for _ in range(2):
        assert knowledge.look_up("How?", [], None).sources

    assert [vector for _, vector in shelf.searched] == [None, None]
    assert told == [f"{ONLY_WORDS}no engine"]


def test_an_embedding_model_that_fails_is_not_asked_again() -> None:
    embedding, told = Embedding(), list[str]()
    knowledge = IndexKnowledge(Shelf(), lambda: embedding, notify=told.append)
    knowledge.look_up("How?", [], None)
    embedding.failure = EmbeddingFailed("it is gone")

    for _ in range(2):
        assert knowledge.look_up("How?", [], None).sources

    assert told == [f"{ONLY_WORDS}it is gone"]


def test_a_damaged_index_is_an_error_of_the_chat() -> None:
    knowledge = IndexKnowledge(
        Shelf(vectors=False, failure=IndexInvalid("damaged", hint="make it again")), notify=print
    )

    with pytest.raises(ChatError, match="damaged") as caught:
        knowledge.look_up("How?", [], None)

    assert caught.value.hint == "make it again"


@pytest.mark.parametrize("question", ["", "  \n"])
def test_nothing_is_not_searched(question: str) -> None:
    shelf = Shelf()

    assert IndexKnowledge(shelf, Embedding, notify=print).look_up(question, [], None).prompt == (
        question
    )
    assert shelf.searched == []


def test_half_a_character_is_replaced() -> None:
    shelf = Shelf(vectors=False)

    IndexKnowledge(shelf, notify=print).look_up("a\ud800b", [], None)

    assert shelf.searched[0][0] == "a?b"


def test_an_embedding_model_starts_beside_and_is_closed_in_the_end() -> None:
    may_start, closed = threading.Event(), threading.Event()

    @contextmanager
    def start(cancel: threading.Event) -> Generator[Embedding]:
        assert not cancel.is_set()
        assert may_start.wait(5)
        try:
            yield Embedding()
        finally:
            closed.set()

    late = LateEmbedder(start)
    may_start.set()

    assert late.get().info == MODEL
    assert late.get() is late.get()
    assert not closed.is_set()
    late.close()
    assert closed.is_set()


def test_a_start_that_fails_is_told_to_each_who_asks() -> None:
    def start(_cancel: threading.Event) -> Generator[Embedding]:
        msg = "no engine"
        raise StartCancelled(msg)
        yield Embedding()

    late = LateEmbedder(contextmanager(start))

    for _ in range(2):
        with pytest.raises(StartCancelled, match="no engine"):
            late.get()
    late.close()


def test_the_end_cancels_a_start() -> None:
    @contextmanager
    def start(cancel: threading.Event) -> Generator[Embedding]:
        assert cancel.wait(5)
        msg = "the start was cancelled"
        raise StartCancelled(msg)
        yield Embedding()

    late = LateEmbedder(start)

    late.close()

    with pytest.raises(StartCancelled):
        late.get()
