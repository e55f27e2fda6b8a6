"""A model that starts when the first text comes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ramalama.rag.embedder_on_demand import EmbedderOnDemand
from ramalama.rag.index.archive import Archive
from ramalama.rag.indexing import index_documents, update_index
from tests.unit.ramalama.rag.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


class Model:
    """Counts how often it is opened and closed."""

    def __init__(self) -> None:
        self.log: list[str] = []

    @contextmanager
    def open(self) -> Generator[WordEmbedder]:
        """Open the model for the block."""
        self.log.append("opened")
        yield WordEmbedder()
        self.log.append("closed")


def test_a_model_is_opened_once_and_closed_at_the_end() -> None:
    model = Model()

    with EmbedderOnDemand(WordEmbedder().info, 64, model.open) as embedder:
        assert model.log == []
        assert embedder.count(["one two"]) == [2]
        assert embedder.embed(["one"]) == WordEmbedder().embed(["one"])
        assert embedder.embed_question("one") == WordEmbedder().embed_question("one")
        assert model.log == ["opened"]

    assert model.log == ["opened", "closed"]


def test_no_model_is_opened_where_nothing_has_changed(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("a.md", "b.md"):
        (tmp_path / "docs" / name).write_text(f"text of {name}")
    path = tmp_path / "docs.db"
    index_documents([str(tmp_path / "docs")], path, embedder=WordEmbedder(), chunk_size=64)
    with Archive(path) as archive:
        meta = archive.meta
    model = Model()

    with EmbedderOnDemand(WordEmbedder().info, meta.chunk_size, model.open) as embedder:
        update_index(path, meta, embedder=embedder)
        (tmp_path / "docs/b.md").unlink()
        report = update_index(path, meta, embedder=embedder)

    assert model.log == []
    assert report.removed == 1
