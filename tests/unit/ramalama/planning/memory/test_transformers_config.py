"""How much memory a safetensors model takes, by its configuration."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ramalama.config.options import ServeOptions
from ramalama.errors import ModelTooLarge
from ramalama.models.formats.gguf_metadata import parse_metadata
from ramalama.models.store.stored_model import StoredModel
from ramalama.planning.memory.capacity import MemoryCapacity
from ramalama.planning.memory.estimate import ModelShape
from ramalama.planning.memory.fit import fit
from ramalama.planning.memory.transformers_config import read_shape
from ramalama_accel import RuntimeName
from tests.unit.ramalama.made_up import MODEL
from tests.unit.ramalama.models.formats.made_gguf import llama

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1024**3
MIB = 1024 * 1024
SMOLLM2: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 576,
    "max_position_embeddings": 8192,
    "num_attention_heads": 9,
    "num_hidden_layers": 30,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
}


def write(directory: Path, config: object) -> Path:
    (directory / "config.json").write_text(json.dumps(config))
    return directory


@pytest.mark.parametrize(
    "config",
    [
        SMOLLM2,
        {**SMOLLM2, "head_dim": 64},
        {"text_config": SMOLLM2, "hidden_size": 1},
        {**SMOLLM2, "head_dim": None},
    ],
)
def test_it_is_that_of_the_same_model_in_gguf(tmp_path: Path, config: object) -> None:
    same = ModelShape.of(parse_metadata(llama(), name="model"), weights=7)

    assert read_shape(write(tmp_path, config), weights=7) == same


def test_without_groups_every_head_has_its_own_keys(tmp_path: Path) -> None:
    config = {key: value for key, value in SMOLLM2.items() if key != "num_key_value_heads"}

    shape = read_shape(write(tmp_path, config), weights=0)

    assert shape is not None
    assert shape.need(2048).kv_cache == 3 * 45 * MIB


@pytest.mark.parametrize(
    "config",
    [
        [],
        {},
        {**SMOLLM2, "kv_lora_rank": 512},
        {**SMOLLM2, "layer_types": ["full_attention"]},
        {**SMOLLM2, "num_hidden_layers": 10**9},
        {**SMOLLM2, "num_hidden_layers": "30"},
        {**SMOLLM2, "num_attention_heads": 0},
        {**SMOLLM2, "hidden_size": -576},
        {**SMOLLM2, "hidden_size": True},
    ],
)
def test_what_is_no_plain_decoder_or_makes_no_sense_is_not_judged(
    tmp_path: Path, config: object
) -> None:
    assert read_shape(write(tmp_path, config), weights=0) is None


def test_a_configuration_that_is_not_there_or_no_json_is_not_judged(tmp_path: Path) -> None:
    assert read_shape(tmp_path, weights=0) is None
    (tmp_path / "config.json").write_text("{")
    assert read_shape(tmp_path, weights=0) is None


@pytest.fixture
def stored(tmp_path: Path) -> StoredModel:
    weights = write(tmp_path, SMOLLM2) / "model.safetensors"
    with weights.open("wb") as file:
        file.truncate(90 * MIB)
    return StoredModel(reference=MODEL, weights=(weights,), directory=tmp_path)


ASKED = ServeOptions(model=MODEL, runtime=RuntimeName.VLLM)


@pytest.mark.parametrize(
    ("capacity", "context"),
    [
        (MemoryCapacity(main=350 * MIB), 6656),
        (MemoryCapacity(main=8000 * MIB), 0),
        (MemoryCapacity(main=0, gpu=350 * MIB), 0),  # vLLM finds what fits there
    ],
)
def test_vllm_is_asked_for_as_much_of_the_models_own_context_as_fits(
    stored: StoredModel, capacity: MemoryCapacity, context: int
) -> None:
    assert fit(replace(ASKED, ctx_size=0), stored, capacity).ctx_size == context


@pytest.mark.parametrize(
    ("capacity", "options", "env"),
    [
        (MemoryCapacity(main=64 * GIB), {}, {}),
        (MemoryCapacity(main=64 * GIB), {"ctx_size": 90_000}, {}),  # 1.93 GiB
        (MemoryCapacity(main=64 * GIB), {"ctx_size": 100_000}, {"VLLM_CPU_KVCACHE_SPACE": "3"}),
        (MemoryCapacity(main=64 * GIB), {"ctx_size": 200_000}, {"VLLM_CPU_KVCACHE_SPACE": "5"}),
        (
            MemoryCapacity(main=64 * GIB),
            {"ctx_size": 200_000, "env": {"VLLM_CPU_KVCACHE_SPACE": "9"}},
            {"VLLM_CPU_KVCACHE_SPACE": "9"},
        ),
        (MemoryCapacity(main=0, gpu=64 * GIB), {"ctx_size": 200_000}, {}),
        (
            MemoryCapacity(main=64 * GIB),
            {"ctx_size": 200_000, "runtime": RuntimeName.LLAMA_CPP},
            {},
        ),
    ],
)
def test_vllm_on_the_cpu_is_given_the_cache_that_the_context_needs(
    stored: StoredModel, capacity: MemoryCapacity, options: dict[str, Any], env: dict[str, str]
) -> None:
    assert fit(replace(ASKED, **options), stored, capacity).env == env


def test_an_ordinary_context_of_a_model_that_keeps_much_is_given_more_cache(
    stored: StoredModel, tmp_path: Path
) -> None:
    write(
        tmp_path, {**SMOLLM2, "num_hidden_layers": 80, "num_key_value_heads": 64, "head_dim": 128}
    )

    fitted = fit(replace(ASKED, ctx_size=4096), stored, MemoryCapacity(main=512 * GIB))

    assert fitted.env == {"VLLM_CPU_KVCACHE_SPACE": "10"}


def test_a_context_that_no_gpu_has_memory_for_is_refused(stored: StoredModel) -> None:
    with pytest.raises(ModelTooLarge, match=r"but the GPU has 262 MB; --ctx-size \d+ fits"):
        fit(replace(ASKED, ctx_size=8192), stored, MemoryCapacity(main=0, gpu=250 * MIB))
