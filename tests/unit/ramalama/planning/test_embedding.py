"""Which models are refused for a task, and how long texts for embeddings may be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ramalama.errors import ModelUnsupported
from ramalama.planning.embedding import check_purpose, read_limits
from ramalama.runtimes.base import EmbeddingLimits
from ramalama_accel import RuntimeName
from tests.unit.ramalama.made_up import OPTIONS, STORED
from tests.unit.ramalama.models.formats.made_gguf import llama, scalar

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.config.options import ServeOptions
    from ramalama.models.store.stored_model import StoredModel

CHAT = llama()
BERT = llama(architecture="bert", context=512, instead={"pooling_type": scalar(4, 1)})
QWEN = llama(architecture="qwen3", context=32768, instead={"pooling_type": scalar(4, 3)})
RANKER = llama(architecture="bert", instead={"pooling_type": scalar(4, 4)})
EMBED = replace(OPTIONS, embeddings=True)


def stored(directory: Path, content: bytes) -> StoredModel:
    file = directory / "model.gguf"
    file.write_bytes(content)
    return replace(STORED, weights=(file,))


@pytest.mark.parametrize(
    ("options", "content", "words"),
    [
        (EMBED, CHAT, "is a chat model.*nomic-embed-text; .*--force"),
        (EMBED, RANKER, "ranks texts"),
        (OPTIONS, BERT, "cannot chat; serve it with `ramalama serve --embeddings"),
    ],
)
def test_a_model_that_is_made_for_another_task_is_refused_unless_forced(
    tmp_path: Path, options: ServeOptions, content: bytes, words: str
) -> None:
    model = stored(tmp_path, content)

    with pytest.raises(ModelUnsupported, match=words):
        check_purpose(options, model)
    check_purpose(replace(options, force=True), model)


@pytest.mark.parametrize(
    ("options", "content"),
    [(EMBED, BERT), (EMBED, QWEN), (OPTIONS, QWEN), (OPTIONS, CHAT), (EMBED, b"?"), (OPTIONS, b"")],
)
def test_a_model_is_accepted_if_it_is_made_for_the_task_or_says_nothing(
    tmp_path: Path, options: ServeOptions, content: bytes
) -> None:
    check_purpose(options, stored(tmp_path, content))


def test_a_model_that_is_not_there_is_left_to_the_server() -> None:
    for options in (OPTIONS, EMBED):
        check_purpose(options, STORED)
    assert read_limits(EMBED, STORED) is None


@pytest.mark.parametrize(
    ("content", "options", "limits"),
    [
        (BERT, {}, EmbeddingLimits(text=512)),
        (BERT, {"ctx_size": 256}, EmbeddingLimits(text=256)),
        (BERT, {"ctx_size": 4096}, EmbeddingLimits(text=512)),
        (BERT, {"ctx_size": 0}, EmbeddingLimits(text=512)),
        (llama(architecture="bert"), {}, EmbeddingLimits(text=8192, pooling="mean")),
        (QWEN, {}, EmbeddingLimits(text=32768, whole=False, encodes=False)),
        (CHAT, {}, EmbeddingLimits(text=8192, whole=False, encodes=False, pooling="last")),
        (
            llama(instead={"pooling_type": scalar(4, 1)}),
            {},
            EmbeddingLimits(text=8192, encodes=False),
        ),
        (llama(architecture="bert", context=0), {}, EmbeddingLimits(text=512, pooling="mean")),
        (
            llama(architecture="bert", context=2**31),
            {},
            EmbeddingLimits(text=2**17, pooling="mean"),
        ),
    ],
)
def test_a_text_is_as_long_as_the_model_was_trained_for_or_as_the_user_says(
    tmp_path: Path,
    content: bytes,
    options: Any,  # noqa: ANN401 (of any option)
    limits: EmbeddingLimits,
) -> None:
    found = read_limits(replace(EMBED, **options), stored(tmp_path, content))

    assert found == replace(limits, dimension=576)


def test_the_length_of_vectors_is_that_of_the_last_layer(tmp_path: Path) -> None:
    longer = llama(architecture="bert", instead={"embedding_length_out": scalar(4, 768)})

    found = read_limits(EMBED, stored(tmp_path, longer))

    assert found is not None
    assert found.dimension == 768


def test_vllm_reads_the_limits_itself(tmp_path: Path) -> None:
    model = stored(tmp_path, BERT)

    assert read_limits(replace(EMBED, runtime=RuntimeName.VLLM), model) is None
    assert read_limits(EMBED, replace(model, directory=tmp_path)) is None
