"""Estimate the memory of an embeddings server, and shorten its longest text to what fits.

A text that is computed at once takes activations of all its tokens, and a mask that is the square
of their number. Compared with llama.cpp's log for all-MiniLM at 512, 2048 and 8192 tokens, this
estimate is 1.1 to 1.6 times what is reserved. A model that reads from left to right has a KV cache.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama.errors import ModelTooLarge
from ramalama.events import Notice, ignore
from ramalama.planning.memory.fit import model_memory, read_shape, weights_size
from ramalama.units import human_size

if TYPE_CHECKING:
    from ramalama.config.options import ServeOptions
    from ramalama.events import EventHook
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.planning.inputs import PlanInputs
    from ramalama.planning.memory.capacity import MemoryCapacity
    from ramalama.planning.memory.estimate import MemoryEstimate, ModelShape
    from ramalama.runtimes.base import EmbeddingLimits

_ACTIVATIONS = 11  # vectors of the embedding's width that each token needs at once
_BYTES = 4  # of each number
_SHORTEST = 512  # tokens; no text is limited to less


def fit_limits(
    options: ServeOptions,
    model: StoredModel,
    limits: EmbeddingLimits | None,
    capacity: MemoryCapacity,
    *,
    on_event: EventHook = ignore,
) -> EmbeddingLimits | None:
    """Return *limits* with a text that fits into *capacity*; a `Notice` says if it is shorter.

    Raises:
        ModelTooLarge: the memory is too small for the text that the user chose, and `force` is not
            set in *options*.
    """
    weights = weights_size(model)
    shape = read_shape(model, weights) if limits else None
    if limits is None or shape is None or capacity.total is None or options.force:
        return limits
    fitting = limits
    while need_of(shape, fitting).total > capacity.total and fitting.text > _SHORTEST:
        fitting = replace(fitting, text=max(fitting.text // 2, _SHORTEST))
    if fitting is limits:
        return limits
    need = human_size(need_of(shape, limits).total)
    if options.ctx_size:
        msg = f"{model.reference} needs {need} for texts of {limits.text} tokens, but {capacity}"
        raise ModelTooLarge(msg, hint=f"use --ctx-size {fitting.text}, or --force")
    on_event(
        Notice(
            f"a text may have {fitting.text} tokens, not {limits.text}: "
            f"{model.reference} would need {need}, but {capacity}"
        )
    )
    return fitting


def need_of(shape: ModelShape, limits: EmbeddingLimits) -> MemoryEstimate:
    """Estimate the memory for texts of the length that *limits* have."""
    from ramalama.planning.memory.estimate import (  # noqa: PLC0415 (not for a chat)
        MemoryEstimate,
    )

    chat = shape.need(limits.text)
    if not limits.whole:
        return chat
    tokens = limits.text
    return MemoryEstimate(
        weights=shape.weights,
        kv_cache=0 if limits.encodes else chat.kv_cache,
        computing=tokens * (_ACTIVATIONS * shape.width + tokens) * _BYTES,
    )


def server_memory(inputs: PlanInputs, capacity: MemoryCapacity) -> int | None:
    """Return how many bytes a server may need in main memory; see `fit.model_memory`."""
    options, model, limits = inputs.options, inputs.model, inputs.embedding
    if limits is None:
        return model_memory(options, model, capacity)
    weights = weights_size(model)
    need = 2 * weights  # they may be copied into another layout
    shape = read_shape(model, weights)
    if shape is not None and not (options.runtime_args or options.env):
        return max(need, need_of(shape, limits).total)
    return max(need, capacity.main) if capacity.main else None
