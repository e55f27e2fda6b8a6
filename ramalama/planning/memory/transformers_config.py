"""Read the shape of a safetensors model from the ``config.json`` that transformers writes.

Only plain decoders are supported. Models that have no cache for some layers, or a compressed one,
are recognized by their additional keys; for these, the shape is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import StoreError
from ramalama.models.formats.bounded_read import read_json
from ramalama.planning.memory.estimate import Layer, ModelShape
from ramalama_values.json import is_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MAX_FILE = 1024 * 1024  # bytes
_MAX_NUMBER = 2**24  # larger values are invalid
_MAX_LAYERS = 4096
_BYTES = 2  # of each number in the cache: half precision
# Latent attention, state spaces, recurrent and sliding layers.
_UNUSUAL = ("kv_lora_rank", "layer_types", "layers_block_type", "hybrid_override_pattern")


def read_shape(directory: Path, *, weights: int) -> ModelShape | None:
    """Read the shape of the model in *directory*, whose weights have *weights* bytes.

    None if ``config.json`` cannot be read, is invalid, lacks a value, or is of an unsupported kind.
    """
    try:
        content = read_json(directory / "config.json", limit=_MAX_FILE)
    except (StoreError, OSError):
        return None
    if not is_object(content):
        return None
    inner = content.get("text_config")  # models that also accept images nest it
    config = inner if is_object(inner) else content
    return None if any(key in config for key in _UNUSUAL) else _shape(config, weights)


def _shape(config: Mapping[str, object], weights: int) -> ModelShape | None:
    layers, width = _number(config, "num_hidden_layers"), _number(config, "hidden_size")
    heads = _number(config, "num_attention_heads")
    if not layers or layers > _MAX_LAYERS or not width or not heads:
        return None
    kv_heads = _number(config, "num_key_value_heads") or heads
    head = _number(config, "head_dim") or width // heads
    return ModelShape(
        weights=weights,
        layers=(Layer(token=2 * kv_heads * head * _BYTES, window=None),) * layers,
        vocabulary=_number(config, "vocab_size") or 0,
        width=width,
        trained_context=_number(config, "max_position_embeddings"),
    )


def _number(config: Mapping[str, object], key: str) -> int | None:
    value = config.get(key)
    return value if type(value) is int and 0 < value <= _MAX_NUMBER else None
