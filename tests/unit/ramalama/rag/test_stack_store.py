"""An index becomes a vector store of Llama Stack: once, whole, and with its own vectors."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ramalama.rag.index.index import Index
from ramalama.rag.stack_store import Offer, StackEmbedder, offer_index, store_name
from ramalama_chat.client.remote import open_remote
from ramalama_chat.errors import ChatError
from tests.doubles.embedding_server import EmbeddingServer
from tests.doubles.server import Reply
from tests.unit.ramalama.rag.index.made_index import write
from tests.unit.ramalama.rag.word_embedder import DIMENSION, WordEmbedder

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.doubles.server import Request

DIGEST = "sha256:1"
EMBEDDER = StackEmbedder(name="embeddings/tiny", digest=DIGEST)


class Stack(EmbeddingServer):
    """Keeps vector stores as OGX does: an update replaces all metadata."""

    def __init__(self) -> None:
        super().__init__("other", limit=8)
        self.stores = dict[str, dict[str, Any]]()
        self.chunks = list[dict[str, Any]]()
        self.deleted = list[str]()
        self.routes["/v1/vector_stores"] = self._list_or_create
        self.routes["/v1/vector_stores/"] = self._one
        self.routes["/v1/vector-io/insert"] = self._insert

    def _list_or_create(self, request: Request) -> Reply:
        if request.method == "GET":
            stores = [*self.stores.values()]
            return Reply.of_json({"object": "list", "data": stores, "has_more": False})
        asked = json.loads(request.body)
        name = f"vs_{len(self.stores) + len(self.deleted)}"
        own = {"embedding_model": asked.pop("embedding_model")}
        metadata = {**asked["metadata"], **own}
        self.stores[name] = {"id": name, "name": asked["name"], "metadata": metadata}
        return Reply.of_json(self.stores[name])

    def _one(self, request: Request) -> Reply:
        name = request.path.rpartition("/")[2]
        if request.method == "DELETE":
            self.deleted.append(name)
            del self.stores[name]
            return Reply.of_json({"id": name, "deleted": True})
        self.stores[name].update(json.loads(request.body))
        return Reply.of_json(self.stores[name])

    def _insert(self, request: Request) -> Reply:
        asked = json.loads(request.body)
        assert asked["vector_store_id"] in self.stores
        self.chunks += asked["chunks"]
        return Reply(status=204)


@pytest.fixture
def stack() -> Generator[Stack]:
    with Stack() as server:
        yield server


def offer(stack: Stack, path: Path, name: str = "docs") -> tuple[Offer, list[int]]:
    embedded = list[int]()
    client = open_remote(stack.url)
    try:
        with Index.open(path) as index:
            found = offer_index(client, index, name, EMBEDDER, on_embed=embedded.append)
    finally:
        client.close()
    return found, embedded


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """An index with vectors of the stack's model."""
    embedder = WordEmbedder(refuses="mice")
    embedder.info = replace(embedder.info, digest=DIGEST)
    return write(tmp_path / "own.db", embedder=embedder)


def test_the_vectors_of_the_same_model_are_used_as_they_are(stack: Stack, own: Path) -> None:
    found, embedded = offer(stack, own)

    assert (found.store, embedded, stack.asked("/v1/embeddings")) == ("vs_0", [], [])
    assert found.refused == 1  # it has no vector in the index
    assert len(stack.chunks) == 6
    first = stack.chunks[0]
    assert first["content"] == "cats.md\nCats sleep all day."
    assert first["metadata"]["filename"] == "cats.md"
    assert first["metadata"]["document_id"].startswith("file-")
    assert first["embedding_model"] == "embeddings/tiny"
    assert len(first["embedding"]) == first["embedding_dimension"] == DIMENSION
    assert len({each["chunk_id"] for each in stack.chunks}) == 6


@pytest.mark.parametrize("made_by", ["another model", "none"])
def test_other_vectors_are_made_again_by_the_stack(
    stack: Stack, tmp_path: Path, made_by: str
) -> None:
    path = write(tmp_path / "x.db", embedder=None if made_by == "none" else WordEmbedder())

    found, embedded = offer(stack, path)

    assert embedded == [7]
    assert [each["embedding_dimension"] for each in stack.chunks] == [3] * len(stack.chunks)
    assert found.refused == 7 - len(stack.chunks) == 2  # which are too long for the model


def test_a_store_that_is_complete_is_not_made_again(stack: Stack, own: Path) -> None:
    first, _ = offer(stack, own)
    second, _ = offer(stack, own)

    assert second.store == first.store
    assert len(stack.chunks) == 6
    assert stack.stores["vs_0"]["metadata"]["embedding_model"] == "embeddings/tiny"


def test_a_store_of_other_documents_or_an_incomplete_one_is_replaced(
    stack: Stack, own: Path, tmp_path: Path
) -> None:
    offer(stack, own)
    offer(stack, write(tmp_path / "newer.db", {"new.md": ["New."]}))
    assert stack.deleted == ["vs_0"]

    stack.stores["vs_1"]["metadata"]["ramalama_index"] = ""
    offer(stack, own)
    assert stack.deleted == ["vs_0", "vs_1"]


def test_a_store_of_the_users_with_the_same_name_stays(stack: Stack, own: Path) -> None:
    stack.stores["vs_x"] = {"id": "vs_x", "name": "docs", "metadata": {"mine": "1"}}

    offer(stack, own)

    assert stack.deleted == []
    assert len(stack.stores) == 2


def test_a_stack_that_refuses_is_told(stack: Stack, own: Path) -> None:
    stack.routes["/v1/vector-io/insert"] = lambda _: Reply.of_json(
        {"error": {"message": "no room"}}, status=400
    )

    with pytest.raises(ChatError, match="no room"):
        offer(stack, own)


def test_a_store_has_the_name_of_the_index(tmp_path: Path) -> None:
    index = tmp_path / "manual.db"
    index.touch()

    assert store_name(str(index)) == "manual"
    assert store_name(f"{tmp_path}/") == tmp_path.name
    assert store_name("quay.io/me/manual:1") == "quay.io/me/manual:1"
