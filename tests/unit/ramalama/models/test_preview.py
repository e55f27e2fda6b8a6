"""What is known of a model before it is fetched, and what is refused for it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from ramalama.errors import ModelUnsupported, WrongEndianness
from ramalama.models.download.values import Location, RemoteBlob
from ramalama.models.formats.kinds import FileKind
from ramalama.models.preview import preview_model, weights_of, with_header_check
from ramalama.models.reference.reference import ModelRef
from ramalama.models.transports.base import RemoteArchive, RemoteFile, RemoteModel
from ramalama.runtimes import find_runtime
from ramalama_accel.runtime_name import RuntimeName
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


def test_a_safetensors_model_is_foreseen_to_be_none_of_llama_cpps(client: httpx2.Client) -> None:
    model = preview_model(
        remote(client, config_json=FileKind.OTHER, model_safetensors=FileKind.SAFETENSORS)
    )

    assert model is not None
    with pytest.raises(ModelUnsupported, match=r"hf://acme/tiny .* use --runtime vllm"):
        find_runtime(RuntimeName.LLAMA_CPP).check(model)
    find_runtime(RuntimeName.VLLM).check(model)


def test_a_gguf_model_is_foreseen_with_all_that_is_beside_it(client: httpx2.Client) -> None:
    model = preview_model(
        remote(
            client,
            tiny_gguf=FileKind.GGUF,
            eyes_gguf=FileKind.PROJECTOR,
            style_gguf=FileKind.ADAPTER,
            fast_gguf=FileKind.DRAFT,
        )
    )

    assert model is not None
    assert model.weights == (Path("tiny.gguf"),)
    assert model.directory is None
    assert model.projectors == (Path("eyes.gguf"),)
    assert model.adapters == (Path("style.gguf"),)
    assert model.draft == Path("fast.gguf")


def test_nothing_is_foreseen_of_what_comes_in_archives(client: httpx2.Client) -> None:
    archive = RemoteArchive(blob=blob(client), prefix="models/")

    assert (
        preview_model(
            RemoteModel(reference=REFERENCE, revision=None, files=(), archives=(archive,))
        )
        is None
    )


def test_weights_are_what_weighs(client: httpx2.Client) -> None:
    model = remote(client, a_gguf=FileKind.GGUF, b_gguf=FileKind.GGUF, c_json=FileKind.OTHER)

    assert weights_of(model) == 2000


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
    check = with_header_check(RemoteFile(name="weights", kind=kind, blob=blob(client))).check

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
    check = with_header_check(RemoteFile(name="weights", kind=kind, blob=blob(client))).check

    assert check is not None
    check(head)


def test_what_is_no_weights_may_begin_as_it_likes(client: httpx2.Client) -> None:
    assert (
        with_header_check(RemoteFile(name="a.json", kind=FileKind.OTHER, blob=blob(client))).check
        is None
    )
