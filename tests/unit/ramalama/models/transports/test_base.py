"""What is known of a model before it is downloaded, and what is refused after its first bytes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import httpx2
import pytest

from ramalama.errors import ModelUnsupported, WrongEndianness
from ramalama.models.download.values import Location, RemoteBlob
from ramalama.models.formats.model_files import FileKind
from ramalama.models.reference.reference import ModelRef
from ramalama.models.transports.base import RemoteFile, RemoteModel
from tests.unit.ramalama.models.formats.made_gguf import gguf

if TYPE_CHECKING:
    from collections.abc import Generator

REFERENCE = ModelRef.parse("hf://acme/tiny")


@pytest.fixture
def client() -> Generator[httpx2.Client]:
    with httpx2.Client() as client:
        yield client


def blob(client: httpx2.Client, size: int = 1000) -> RemoteBlob:
    return RemoteBlob(
        name="tiny",
        identity="tiny",
        size=size,
        digest=None,
        locate=lambda: Location(url="http://h/x"),
        client=client,
    )


def remote(client: httpx2.Client, **kinds: FileKind) -> RemoteModel:
    files = [
        RemoteFile(name=name.replace("_", "."), kind=kind, blob=blob(client))
        for name, kind in kinds.items()
    ]
    return RemoteModel(reference=REFERENCE, revision=None, files=files)


def test_weights_are_what_weighs(client: httpx2.Client) -> None:
    model = remote(client, a_gguf=FileKind.GGUF, b_gguf=FileKind.GGUF, c_json=FileKind.OTHER)

    assert model.weights_size == 2000


@pytest.mark.parametrize(
    ("kind", "head", "error"),
    [
        (FileKind.GGUF, gguf({}, order=">"), WrongEndianness),
        (FileKind.GGUF, b"<!DOCTYPE html>" + bytes(100), ModelUnsupported),
        (FileKind.GGUF, b"GGUF" + struct.pack("<IQQ", 1, 0, 0), ModelUnsupported),
        (FileKind.SAFETENSORS, b"version https://git-lfs", ModelUnsupported),
        (FileKind.SAFETENSORS, (993).to_bytes(8, "little"), ModelUnsupported),
    ],
)
def test_a_beginning_that_no_server_would_load_is_refused(
    kind: FileKind, head: bytes, error: type[Exception], client: httpx2.Client
) -> None:
    check = RemoteFile(name="weights", kind=kind, blob=blob(client)).checked_blob.check

    assert check is not None
    with pytest.raises(error, match="weights"):
        check(head)


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        (FileKind.GGUF, gguf({}) + bytes(1000)),
        (FileKind.SAFETENSORS, (992).to_bytes(8, "little") + b"{}"),
    ],
)
def test_a_good_beginning_is_taken(kind: FileKind, head: bytes, client: httpx2.Client) -> None:
    check = RemoteFile(name="weights", kind=kind, blob=blob(client)).checked_blob.check

    assert check is not None
    check(head)


def test_what_is_no_weights_may_begin_as_it_likes(client: httpx2.Client) -> None:
    file = RemoteFile(name="a.json", kind=FileKind.OTHER, blob=blob(client))

    assert file.checked_blob is file.blob
