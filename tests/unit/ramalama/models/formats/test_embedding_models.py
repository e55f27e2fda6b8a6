"""What a model is made for, as its files say it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.embedding_models import (
    Purpose,
    is_encoder,
    purpose_of,
    purpose_of_directory,
)
from ramalama.models.formats.gguf import generates_text
from ramalama.models.formats.gguf_metadata import parse_metadata
from tests.unit.ramalama.models.formats.made_gguf import gguf, llama, scalar, string

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.ramalama.models.formats.made_gguf import Entry


def pooling(number: int) -> dict[str, Entry]:
    return {"pooling_type": scalar(4, number)}


@pytest.mark.parametrize(
    ("header", "purpose"),
    [
        (llama(), Purpose.GENERATION),
        (llama(architecture="bert"), Purpose.EMBEDDINGS),
        (llama(architecture="nomic-bert", instead=pooling(1)), Purpose.EMBEDDINGS),
        (llama(architecture="gemma-embedding", instead=pooling(1)), Purpose.EMBEDDINGS),
        (llama(architecture="qwen3", instead=pooling(3)), Purpose.BOTH),
        (llama(architecture="qwen3", instead=pooling(0)), Purpose.GENERATION),
        (llama(architecture="bert", instead=pooling(4)), Purpose.RANKING),
        (gguf({"general.name": string("no architecture")}), Purpose.UNKNOWN),
    ],
)
def test_the_architecture_and_the_pooling_say_what_a_gguf_model_is_for(
    header: bytes, purpose: Purpose
) -> None:
    assert purpose_of(parse_metadata(header, name="model")) is purpose


@pytest.mark.parametrize(
    ("content", "encodes"),
    [
        (llama(architecture="bert"), True),
        (llama(architecture="llama"), False),
        (gguf({"a": scalar(4, 1), "general.architecture": string("bert")}), True),
        (gguf({"general.architecture": string("bert", ">")}, order=">"), True),
        (gguf({"general.name": string("bert")}), False),
    ],
)
def test_an_encoder_is_recognised_by_the_first_key_or_else_by_a_later_one(
    tmp_path: Path, content: bytes, *, encodes: bool
) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)

    assert is_encoder(file) is encodes


@pytest.mark.parametrize(
    ("content", "generates"),
    [
        (llama(), True),
        (llama(architecture="bert"), False),
        (gguf({"general.name": string("x"), "general.architecture": string("llama")}), False),
        (llama()[:30], False),
        (b"PK", False),
    ],
)
def test_a_model_generates_text_if_its_first_key_says_so(
    tmp_path: Path, content: bytes, *, generates: bool
) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)

    assert generates_text(file) is generates
    assert not generates_text(tmp_path / "other.gguf")


@pytest.mark.parametrize("content", [b"", b"PK\3\4", llama()[:60], llama()[:30]])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)

    with pytest.raises(ModelUnsupported):
        is_encoder(file)


@pytest.mark.parametrize(
    ("architectures", "modules", "purpose"),
    [
        (["LlamaForCausalLM"], False, Purpose.GENERATION),
        (["ChatGLMModel"], False, Purpose.UNKNOWN),
        (["Qwen3ForCausalLM"], True, Purpose.BOTH),
        (["Gemma3TextModel"], True, Purpose.EMBEDDINGS),
        (["BertModel"], False, Purpose.EMBEDDINGS),
        (["XLMRobertaModel"], False, Purpose.EMBEDDINGS),
        (["ModernBertForMaskedLM"], False, Purpose.EMBEDDINGS),
        (["BertForSequenceClassification"], False, Purpose.RANKING),
        ([1, None], False, Purpose.UNKNOWN),
        ("BertModel", False, Purpose.UNKNOWN),
    ],
)
def test_the_files_beside_safetensors_say_what_the_model_is_for(
    tmp_path: Path, architectures: object, purpose: Purpose, *, modules: bool
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": architectures}))
    if modules:
        (tmp_path / "modules.json").write_text("[]")

    assert purpose_of_directory(tmp_path) is purpose
    assert is_encoder(tmp_path) is (purpose is Purpose.EMBEDDINGS)


def test_a_directory_without_a_configuration_says_nothing(tmp_path: Path) -> None:
    assert purpose_of_directory(tmp_path) is Purpose.UNKNOWN
