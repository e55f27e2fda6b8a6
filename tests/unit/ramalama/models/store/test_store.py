"""The life of a model: published, found, opened, listed and removed."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import ModelNotFound, ModelUnsupported, StoreError
from ramalama.models.formats.model_files import FileKind
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.store import ModelStore
from ramalama.models.store.stored_model import StoredModel
from tests.unit.ramalama.models.store.filled import (
    HUB,
    OLLAMA,
    PULLED,
    digest_of,
    files_below,
    links_to,
    publish,
    put,
    record,
)

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = b"w" * 8192
TAGS = [replace(OLLAMA, tag="8b"), HUB, ModelRef(Scheme.MODELSCOPE, "acme/tiny/t.gguf")]


def test_a_store_that_is_not_there_has_no_models_and_is_not_made(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "base")

    assert store.find(OLLAMA) is None
    assert store.list() == ()
    assert not (tmp_path / "base").exists()


def test_a_published_model_is_found_and_opened(tmp_path: Path) -> None:
    model = publish(tmp_path, content=WEIGHTS)
    store = ModelStore(tmp_path)

    assert store.find(OLLAMA) == model

    opened = store.open(model)

    assert opened == StoredModel(reference=OLLAMA, weights=opened.weights)
    assert opened.weights[0].name == "tiny.gguf"
    assert opened.weights[0].read_bytes() == WEIGHTS
    assert opened.weights[0].is_relative_to(tmp_path)


def test_a_model_whose_contents_are_not_here_is_not_published(tmp_path: Path) -> None:
    file = put(tmp_path, b"weights")
    ModelStore(tmp_path).contents.release(file.digest)

    with pytest.raises(StoreError, match="have been removed meanwhile; pull it again"):
        ModelStore(tmp_path).publish(record(file))

    assert ModelStore(tmp_path).find(OLLAMA) is None
    assert not (tmp_path / "store").exists()


def test_a_model_that_has_lost_a_file_is_there_no_longer(tmp_path: Path) -> None:
    model = publish(tmp_path)
    store = ModelStore(tmp_path)
    content = store.contents.path(model.files[0].digest)
    for path in [path for path in tmp_path.rglob("*") if path.samefile(content)]:
        path.unlink()

    assert store.find(OLLAMA) is None
    assert [(listed.complete, listed.size) for listed in store.list()] == [(False, 0)]
    with pytest.raises(StoreError, match="has been removed meanwhile"):
        store.open(model)


def test_a_content_that_got_lost_is_taken_back_from_upstreams_view(tmp_path: Path) -> None:
    model = publish(tmp_path)
    store = ModelStore(tmp_path)
    content = store.contents.path(model.files[0].digest)
    content.unlink()

    assert store.find(OLLAMA) == model
    assert content.read_bytes() == b"weights"


def test_the_same_content_under_four_references_is_one_file(tmp_path: Path) -> None:
    for reference in (OLLAMA, *TAGS):
        publish(tmp_path, reference, WEIGHTS)
    store = ModelStore(tmp_path)
    records = [store.find(reference) for reference in (OLLAMA, *TAGS)]
    opened = [store.open(model) for model in records if model is not None]

    inodes = {path.stat().st_ino for model in opened for path in model.weights}
    inodes |= {path.stat().st_ino for path in tmp_path.rglob("*/blobs/*")}
    inodes |= {path.stat().st_ino for path in tmp_path.rglob("tiny.gguf")}
    inodes |= {path.stat().st_ino for path in (tmp_path / "cas/sha256").glob("*/*")}

    assert len(opened) == 4
    assert len(inodes) == 1
    # Its own, one snapshot for all, and in three directories of upstream's two each.
    assert links_to(tmp_path, WEIGHTS) == 8


def test_the_last_reference_frees_what_the_others_only_shared(tmp_path: Path) -> None:
    for reference in (OLLAMA, *TAGS):
        publish(tmp_path, reference, WEIGHTS)
    store = ModelStore(tmp_path)
    path = store.contents.path(digest_of(WEIGHTS))

    links: list[int] = []
    for reference in TAGS:
        assert store.remove(reference).freed < len(WEIGHTS)
        links.append(path.stat().st_nlink)

    assert links == [8, 6, 4]
    assert store.remove(OLLAMA).freed >= len(WEIGHTS)
    assert not path.exists()
    assert store.list() == ()


def test_what_another_record_names_stays_even_if_its_links_are_lost(tmp_path: Path) -> None:
    publish(tmp_path, OLLAMA, WEIGHTS)
    other = publish(tmp_path, HUB, WEIGHTS)
    shutil.rmtree(tmp_path / "snapshots")
    shutil.rmtree(tmp_path / "store")
    store = ModelStore(tmp_path)

    assert store.remove(OLLAMA).freed == 0
    assert store.find(HUB) == other
    assert store.open(other).weights[0].read_bytes() == WEIGHTS


def test_a_removed_model_leaves_no_file_behind(tmp_path: Path) -> None:
    publish(tmp_path, HUB, name="Q8/tiny.gguf")

    removed = ModelStore(tmp_path).remove(HUB)

    assert removed.reference == HUB
    assert {path for path in files_below(tmp_path) if not path.startswith("cas/locks/")} == set()
    assert list((tmp_path / "store").iterdir()) == []
    assert list((tmp_path / "snapshots").iterdir()) == []


def test_a_model_that_is_not_here_cannot_be_removed(tmp_path: Path) -> None:
    publish(tmp_path, HUB)

    with pytest.raises(ModelNotFound, match="ollama://library/smollm2:135m is not on this machine"):
        ModelStore(tmp_path).remove(OLLAMA)

    assert ModelStore(tmp_path).find(HUB) is not None


def test_a_model_whose_note_is_broken_can_be_removed_and_published_again(tmp_path: Path) -> None:
    publish(tmp_path)
    (note,) = (tmp_path / "refs2").rglob("*.json")
    note.write_text("{")

    ModelStore(tmp_path).remove(OLLAMA)
    model = publish(tmp_path)

    assert ModelStore(tmp_path).find(OLLAMA) == model


def test_a_newer_model_takes_the_place_of_the_older_one(tmp_path: Path) -> None:
    old = publish(tmp_path, content=b"old")
    served = ModelStore(tmp_path).open(old).weights[0]
    new = publish(tmp_path, content=b"new")
    store = ModelStore(tmp_path)

    assert store.find(OLLAMA) == new
    assert store.open(new).weights[0].read_bytes() == b"new"
    assert served.read_bytes() == b"old"
    assert [listed.reference for listed in store.list()] == [OLLAMA]


def test_two_tags_of_the_same_weights_have_each_its_own_prompt(tmp_path: Path) -> None:
    weights, store = put(tmp_path, WEIGHTS), ModelStore(tmp_path)
    for tag in ("a", "b"):
        system = put(tmp_path, f"You are {tag}.".encode(), "system", FileKind.SYSTEM)
        store.publish(record(weights, system, reference=replace(OLLAMA, tag=tag)))

    records = [store.find(replace(OLLAMA, tag=tag)) for tag in ("a", "b")]

    assert [store.open(found).system for found in records if found] == ["You are a.", "You are b."]


def test_the_same_content_under_two_names_lies_in_two_directories(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    one = store.open(publish(tmp_path, OLLAMA, WEIGHTS, name="a.gguf")).weights[0]
    two = store.open(publish(tmp_path, HUB, WEIGHTS, name="b.gguf")).weights[0]

    assert files_below(one.parent) == {"a.gguf"}
    assert files_below(two.parent) == {"b.gguf"}


def test_the_parts_of_a_split_model_lie_side_by_side(tmp_path: Path) -> None:
    names = [f"Q8/t-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    files = [put(tmp_path, name.encode(), name) for name in names]
    store = ModelStore(tmp_path)
    store.publish(record(*files))

    weights = store.open(record(*files)).weights

    assert [path.name for path in weights] == [name.removeprefix("Q8/") for name in names]
    assert {path.parent for path in weights} == {weights[0].parent}
    assert not any(path.is_symlink() for path in weights)


def test_a_safetensors_model_is_a_directory_with_all_its_files(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    model = record(
        put(tmp_path, b"1", "model-00001-of-00002.safetensors", FileKind.SAFETENSORS),
        put(tmp_path, b"2", "model-00002-of-00002.safetensors", FileKind.SAFETENSORS),
        put(tmp_path, b"{}", "config.json", FileKind.OTHER),
        put(tmp_path, b"{}", "tokenizer/vocab.json", FileKind.OTHER),
        reference=HUB,
    )
    store.publish(model)

    opened = store.open(model)

    assert opened.directory is not None
    assert files_below(opened.directory) == {file.name for file in model.files}
    assert opened.weights == tuple(opened.directory / file.name for file in model.files[:2])
    assert not any(path.is_symlink() for path in opened.directory.rglob("*"))


def test_a_model_without_weights_is_not_opened(tmp_path: Path) -> None:
    model = record(put(tmp_path, b"{}", "config.json", FileKind.OTHER))
    ModelStore(tmp_path).publish(model)

    with pytest.raises(ModelUnsupported, match="has no weights"):
        ModelStore(tmp_path).open(model)


def test_a_damaged_snapshot_is_repaired_when_it_is_opened(tmp_path: Path) -> None:
    model = publish(tmp_path)
    store = ModelStore(tmp_path)
    path = store.open(model).weights[0]
    path.unlink()

    assert store.open(model).weights[0].read_bytes() == b"weights"

    path.unlink()
    path.write_bytes(b"evil")

    assert store.open(model).weights[0].read_bytes() == b"weights"


def test_the_list_has_each_model_once_with_its_size_and_time(tmp_path: Path) -> None:
    publish(tmp_path, OLLAMA, WEIGHTS)
    publish(tmp_path, HUB, b"weights")

    listed = {model.reference: model for model in ModelStore(tmp_path).list()}

    assert {reference: model.size for reference, model in listed.items()} == {
        OLLAMA: 8192,
        HUB: 7,
    }
    assert {model.modified for model in listed.values()} == {PULLED}
    assert all(model.complete for model in listed.values())


def test_a_model_without_a_place_in_upstreams_layout_is_ours_alone(tmp_path: Path) -> None:
    odd = ModelRef(Scheme.HUGGINGFACE, "refs/blobs")
    publish(tmp_path, odd)
    store = ModelStore(tmp_path)

    assert store.find(odd) is not None
    assert not (tmp_path / "store").exists()
    assert [model.reference for model in store.list()] == [odd]

    store.remove(odd)

    assert store.list() == ()


def test_two_ports_of_a_host_are_two_models_though_upstream_sees_one(tmp_path: Path) -> None:
    one, two = (ModelRef(Scheme.HTTP, f"h:{port}/t.gguf") for port in (8001, 8002))
    publish(tmp_path, one, b"one")
    publish(tmp_path, two, b"two")
    store = ModelStore(tmp_path)

    assert {model.reference for model in store.list()} == {one, two}

    store.remove(two)
    found = store.find(one)

    assert found is not None
    assert store.open(found).weights[0].read_bytes() == b"one"
    shown = (tmp_path / "store/http/h/t.gguf/refs/latest.json").read_text()
    assert str(digest_of(b"one")) in shown


@pytest.mark.parametrize("kind", ["file", "read-only"])
def test_a_directory_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, kind: str) -> None:
    base = tmp_path / "base"
    if kind == "file":
        base.write_text("hello")
    else:
        base = tmp_path / "proc"
        base.symlink_to("/proc/self/attr")

    with pytest.raises(StoreError, match=rf"the store {base} cannot be used: .*--store") as caught:
        ModelStore(base).begin(OLLAMA, ())

    assert "\n" not in str(caught.value)


def test_what_goes_wrong_while_the_store_is_used_is_not_the_stores_fault(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="not ours"),
        ModelStore(tmp_path).using(),
    ):
        raise OSError(errno.EIO, "not ours")


def test_published_files_are_readable_by_all_users_and_not_writable(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        model = publish(tmp_path)
    finally:
        os.umask(before)

    path = ModelStore(tmp_path).open(model).weights[0]

    assert stat.S_IMODE(path.stat().st_mode) == 0o444
