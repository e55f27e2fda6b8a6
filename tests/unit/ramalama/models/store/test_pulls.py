"""Pulls that have begun: listed as partial, removed with what came, ended by the model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx2
import pytest

from ramalama.errors import ModelNotFound
from ramalama.models.download.values import Location, RemoteBlob
from ramalama.models.store.store import ModelStore
from tests.unit.ramalama.models.store.filled import HUB, OLLAMA, digest_of, publish, put
from tests.unit.ramalama.models.store.test_gc import apart_from_locks, leave_partial

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

ONE, TWO = b"1" * 8192, b"2" * 8192


@pytest.fixture
def client() -> Generator[httpx2.Client]:
    with httpx2.Client() as client:
        yield client


def blob(content: bytes, client: httpx2.Client) -> RemoteBlob:
    return RemoteBlob(
        name="tiny.gguf",
        identity=str(digest_of(content)),
        size=len(content),
        digest=digest_of(content),
        locate=lambda: Location(url="http://h/x"),
        client=client,
    )


def test_a_pull_is_listed_with_what_came_of_it(tmp_path: Path, client: httpx2.Client) -> None:
    store = ModelStore(tmp_path)
    store.begin(OLLAMA, [blob(ONE, client), blob(TWO, client)])

    assert [(each.reference, each.complete, each.size) for each in store.list()] == [
        (OLLAMA, False, 0)
    ]

    put(tmp_path, ONE)
    leave_partial(tmp_path, TWO, days=0)

    assert [(each.reference, each.complete, each.size) for each in store.list()] == [
        (OLLAMA, False, 8192 + 4096)
    ]
    assert store.find(OLLAMA) is None


def test_a_pull_that_is_through_is_a_model(tmp_path: Path, client: httpx2.Client) -> None:
    store = ModelStore(tmp_path)
    store.begin(OLLAMA, [blob(ONE, client)])
    publish(tmp_path, OLLAMA, ONE)

    assert [each.complete for each in store.list()] == [True]
    assert not list(tmp_path.glob("pulls/*/*"))


def test_a_model_that_is_pulled_again_is_listed_as_the_one_that_is_here(
    tmp_path: Path, client: httpx2.Client
) -> None:
    publish(tmp_path, OLLAMA, ONE)
    store = ModelStore(tmp_path)
    store.begin(OLLAMA, [blob(TWO, client)])

    assert [each.complete for each in store.list()] == [True]


def test_removing_a_pull_frees_what_came(tmp_path: Path, client: httpx2.Client) -> None:
    store = ModelStore(tmp_path)
    store.begin(OLLAMA, [blob(ONE, client), blob(TWO, client)])
    put(tmp_path, ONE)
    leave_partial(tmp_path, TWO, days=0)

    removed = store.remove(OLLAMA)

    assert removed.freed >= len(ONE) + len(TWO)
    assert apart_from_locks(tmp_path) == set()
    with pytest.raises(ModelNotFound):
        store.remove(OLLAMA)


def test_what_another_pull_or_model_needs_stays(tmp_path: Path, client: httpx2.Client) -> None:
    store = ModelStore(tmp_path)
    publish(tmp_path, HUB, ONE)
    store.begin(OLLAMA, [blob(ONE, client), blob(TWO, client)])
    store.begin(HUB, [blob(TWO, client)])
    paths = leave_partial(tmp_path, TWO, days=0)

    removed = store.remove(OLLAMA)

    assert removed.freed == 0
    assert all(path.exists() for path in paths)
    assert store.find(HUB) is not None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 2}', '{"version": 1}'])
def test_what_is_no_note_of_a_pull_is_left_out(
    tmp_path: Path, client: httpx2.Client, content: str
) -> None:
    store = ModelStore(tmp_path)
    store.begin(OLLAMA, [blob(ONE, client)])
    (note,) = tmp_path.glob("pulls/*/*")
    note.write_text(content)

    assert store.list() == ()


def test_an_identity_is_never_taken_for_a_path(tmp_path: Path, client: httpx2.Client) -> None:
    store = ModelStore(tmp_path)
    victim = tmp_path / "victim.json"
    victim.write_text("x")
    store.begin(OLLAMA, [blob(ONE, client)])
    (note,) = tmp_path.glob("pulls/*/*")
    fields = json.loads(note.read_text())
    note.write_text(json.dumps({**fields, "blobs": ["../../victim", "/etc/passwd", 1, None]}))

    store.remove(OLLAMA)

    assert victim.read_text() == "x"
