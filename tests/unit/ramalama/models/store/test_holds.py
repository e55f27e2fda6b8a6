"""Models that servers read from, and those who remove them meanwhile."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import StoreError
from ramalama.models.formats.model_files import FileKind
from ramalama.models.store.store import ModelStore
from tests.unit.ramalama.models.store.filled import HUB, OLLAMA, put, record

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.store.stored_model import StoredModel

WEIGHTS = b"w" * 8192
_SERVE = """
import sys
from pathlib import Path
from ramalama.models.store.store import ModelStore
store = ModelStore(Path(sys.argv[1]))
model = store.open(store.find(store.list()[0].reference))
with store.serving(model):
    print(model.directory, flush=True)
    sys.stdin.read()
"""


def publish_directory(base: Path) -> StoredModel:
    """Pull a safetensors model."""
    files = (
        put(base, WEIGHTS, "model.safetensors", FileKind.SAFETENSORS),
        put(base, b"{}", "config.json", FileKind.OTHER),
    )
    store = ModelStore(base)
    model = record(*files, reference=HUB)
    store.publish(model)
    return store.open(model)


def read(model: StoredModel) -> bytes:
    return model.weights[0].read_bytes()


def test_a_model_that_is_removed_while_it_is_served_keeps_its_directory(tmp_path: Path) -> None:
    store, model = ModelStore(tmp_path), publish_directory(tmp_path)

    with store.serving(model):
        removed = store.remove(HUB)
        garbage = store.collect_garbage(older_than=0)

        assert read(model) == WEIGHTS
        assert removed.freed < len(WEIGHTS)
        assert garbage.freed == 0
        assert store.find(HUB) is None
        assert store.list() == ()

    assert store.collect_garbage(older_than=0).freed >= len(WEIGHTS)
    assert model.directory is not None
    assert not model.directory.exists()


def test_a_newer_version_and_gc_leave_what_is_served_of_the_older(tmp_path: Path) -> None:
    store, model = ModelStore(tmp_path), publish_directory(tmp_path)

    with store.serving(model):
        store.publish(record(put(tmp_path, b"new", "model.gguf"), reference=HUB))
        store.collect_garbage(older_than=0)

        assert read(model) == WEIGHTS

    store.collect_garbage(older_than=0)
    assert not model.weights[0].exists()


def test_a_process_that_dies_holds_nothing(tmp_path: Path) -> None:
    store, model = ModelStore(tmp_path), publish_directory(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(tmp_path)],
        env={"PYTHONPATH": ":".join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline().strip() == str(model.directory)
        store.remove(HUB)
        assert read(model) == WEIGHTS
        server.kill()

    assert store.collect_garbage(older_than=0).freed >= len(WEIGHTS)


def test_what_has_been_removed_before_cannot_be_served(tmp_path: Path) -> None:
    store, model = ModelStore(tmp_path), publish_directory(tmp_path)
    store.remove(HUB)

    with pytest.raises(StoreError, match="has been removed meanwhile"), store.serving(model):
        pytest.fail("it is not there")


def test_a_single_file_outlives_its_names_and_is_freed_at_once(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    model = record(put(tmp_path, WEIGHTS, "tiny.gguf"), reference=OLLAMA)
    store.publish(model)
    opened = store.open(model)

    with store.serving(opened), opened.weights[0].open("rb") as mounted:
        assert store.remove(OLLAMA).freed >= len(WEIGHTS)
        assert mounted.read() == WEIGHTS
