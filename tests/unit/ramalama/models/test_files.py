"""The files of a model on this machine are found, with their digests."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import ModelNotFound
from ramalama.models.download.values import FetchedBlob
from ramalama.models.files import find_files, model_name
from ramalama.models.formats.model_files import Digest, FileKind
from ramalama.models.reference.reference import ModelRef
from ramalama.models.store.records import ModelRecord, StoredFile
from ramalama.models.store.store import ModelStore

if TYPE_CHECKING:
    from pathlib import Path

GGUF = b"GGUF\x03\0\0\0" + bytes(16)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store")


def put(store: ModelStore, tmp_path: Path, name: str, kind: FileKind, content: bytes) -> StoredFile:
    digest = Digest(hashlib.sha256(content).hexdigest())
    fetched = tmp_path / f"fetched-{name}"
    fetched.write_bytes(content)
    store.contents.put(FetchedBlob(path=fetched, digest=digest, size=len(content)))
    return StoredFile(name=name, kind=kind, digest=digest, size=len(content))


def test_a_pulled_model_has_the_files_of_its_record(store: ModelStore, tmp_path: Path) -> None:
    files = (
        put(store, tmp_path, "tiny.gguf", FileKind.GGUF, GGUF),
        put(store, tmp_path, "LICENSE", FileKind.LICENSE, b"Do as you like."),
    )
    reference = ModelRef.parse("ollama://tiny")
    store.publish(ModelRecord(reference=reference, files=files, pulled=datetime.now(UTC)))

    found = find_files(reference, store)

    assert tuple(local.file for local in found) == files
    assert [local.path.read_bytes() for local in found] == [GGUF, b"Do as you like."]


def test_a_model_that_is_not_here_is_an_error_that_tells_how_to_get_it(store: ModelStore) -> None:
    with pytest.raises(ModelNotFound, match="pull it with `ramalama pull hf://a/b`"):
        find_files(ModelRef.parse("hf://a/b"), store)


def test_a_file_of_the_users_own_is_read_with_all_parts(store: ModelStore, tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"tiny-0000{number}-of-00002.gguf").write_bytes(GGUF + bytes([number]))

    found = find_files(ModelRef.parse(f"{tmp_path}/tiny-00002-of-00002.gguf"), store)

    assert [(local.file.name, local.file.kind, local.file.size) for local in found] == [
        ("tiny-00001-of-00002.gguf", FileKind.GGUF, 25),
        ("tiny-00002-of-00002.gguf", FileKind.GGUF, 25),
    ]
    assert found[1].file.digest.hex == hashlib.sha256(GGUF + b"\x02").hexdigest()


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("ollama://smollm2:135m", "smollm2"),
        ("hf://org/Tiny-GGUF:Q8_0", "Tiny-GGUF"),
        ("hf://org/repo/sub/tiny-Q8_0.gguf", "tiny-Q8_0"),
        ("oci://quay.io/me/tiny:1", "tiny"),
        ("/models/granite.GGUF", "granite"),
        ("/models/tiny-00001-of-00003.gguf", "tiny"),
        ("/models/a model (1).gguf", "a-model-1"),
        ("/models/.hidden.gguf", "hidden"),
        ("/models/é.gguf", "model"),
        ("https://example.com/m/x.gguf", "x"),
    ],
)
def test_a_model_is_named_in_a_word_that_any_path_may_have(reference: str, expected: str) -> None:
    assert model_name(ModelRef.parse(reference)) == expected
