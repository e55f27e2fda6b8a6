"""Check whether a model fits into the memory of this host, and choose a context and a limit.

The server maps the weights from the file. So a model that needs a little more memory than there is
still works, but slowly. It does not work if the weights alone, or the context alone, exceed all
memory.

The estimate for the limit of the container is generous: a server that needs more than its limit is
killed. It only has to be so small that a hostile or broken image cannot take all memory of the
host.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ramalama.config.defaults import ALL_LAYERS, DEFAULT_CONTEXT
from ramalama.errors import ModelTooLarge
from ramalama.events import Notice, ignore
from ramalama.runtimes.base import context_size
from ramalama.units import human_size
from ramalama_accel.runtime_name import RuntimeName

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ramalama.config.options import ServeOptions
    from ramalama.events import EventHook
    from ramalama.models.pull import Admit
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.models.transports.selection.request import Variant
    from ramalama.planning.memory.capacity import MemoryCapacity
    from ramalama.planning.memory.estimate import MemoryEstimate, ModelShape


USUAL_CONTEXT = 4096  # tokens; see `_CLEARLY_FITS` in `capacity`
_INSIST = "(`run --force` tries it anyway)"


def check_weights(
    name: str, weights: int, capacity: MemoryCapacity, *, variants: Sequence[Variant] = ()
) -> None:
    """Reject a model whose weights alone, in bytes, exceed all memory.

    Raises:
        ModelTooLarge: the message says how much memory there is and which *variants* fit.
    """
    if capacity.total is None or weights <= capacity.total:
        return
    fitting = [variant for variant in variants if variant.size <= capacity.total]
    best = sorted(fitting, key=lambda variant: variant.size, reverse=True)[:3]
    smaller = ", ".join(f"{each.reference} ({human_size(each.size)})" for each in best)
    remedy = f"what fits: {smaller}" if smaller else "use a smaller model or a smaller variant"
    needed = human_size(weights)
    msg = f"{name} needs {needed} for its weights alone, but {capacity}; {remedy} {_INSIST}"
    raise ModelTooLarge(msg)


def admit_within(capacity: MemoryCapacity) -> Admit:
    """Return a function that rejects weights that exceed *capacity*; see `check_weights`."""

    def admit(name: str, weights: int, variants: Sequence[Variant]) -> None:
        check_weights(name, weights, capacity, variants=variants)

    return admit


def fit(
    options: ServeOptions,
    model: StoredModel,
    capacity: MemoryCapacity,
    *,
    on_event: EventHook = ignore,
) -> ServeOptions:
    """Check a model that is about to be served against *capacity*, and adapt the context.

    If *options* leave the size of the context to the model, the result has a size that fits. For
    vLLM on the CPU, it also has the size of the KV cache. A shortage that the server may survive
    is reported to *on_event* as a `Notice`.

    Raises:
        ModelTooLarge: the weights alone or the context alone exceed all memory, and `force` is not
            set in *options*.
    """
    name, weights = str(model.reference), weights_size(model)
    if not options.force:
        check_weights(name, weights, capacity)
    if options.embeddings:
        return options  # see `ramalama.planning.memory.embedding`
    context = context_size(options, model.parameters)
    vllm = options.runtime is RuntimeName.VLLM
    # What the user chose may exceed what the model was trained with; the default rarely does.
    largest = USUAL_CONTEXT if options.ctx_size is None else DEFAULT_CONTEXT
    usual = 0 < context <= largest and options.ngl != ALL_LAYERS
    # To read a GGUF header takes 10 ms, and most starts do not need it.
    if usual and capacity.certainly_fits(weights) and model.directory is None:
        return options
    # On a GPU, vLLM itself finds out how much of the model's own context fits.
    unknown = vllm and context == 0 and not capacity.main
    shape = None if unknown else read_shape(model, weights)
    if shape is None:
        return options
    return _fit_shape(choose_context(options, shape, capacity), model, shape, capacity, on_event)


def _fit_shape(
    options: ServeOptions,
    model: StoredModel,
    shape: ModelShape,
    capacity: MemoryCapacity,
    on_event: EventHook,
) -> ServeOptions:
    name = str(model.reference)
    context = context_size(options, model.parameters) or shape.trained_context or USUAL_CONTEXT
    need = shape.need(context)
    if not options.force:
        check_context(name, need, shape, capacity)
    if options.runtime is RuntimeName.VLLM and capacity.main:
        from ramalama.runtimes.vllm import with_cache  # noqa: PLC0415 (only for vLLM)

        options = with_cache(options, need.kv_cache)
    layers = _describe_layers(name, need, capacity) if options.ngl == ALL_LAYERS else None
    if lowered := _describe_lowered(name, options, shape):
        on_event(Notice(lowered))
    if shortage := describe_shortage(name, need, shape, capacity) or layers:
        on_event(Notice(shortage))
    return options


def weights_size(model: StoredModel) -> int:
    """Return the bytes of all files that a server of *model* loads."""
    extras = (*model.projectors, *model.adapters, *([model.draft] if model.draft else []))
    return sum(map(_size, (*model.weights, *extras)))


def choose_context(
    options: ServeOptions, shape: ModelShape, capacity: MemoryCapacity
) -> ServeOptions:
    """Limit a context of 0, the model's own, to what fits; leave any other size as it is."""
    if options.ctx_size != 0 or capacity.total is None:
        return options
    largest = shape.largest_context(capacity.total)
    if largest == 0 or largest >= (shape.trained_context or 0):
        return options
    return replace(options, ctx_size=largest)


def check_context(
    name: str, need: MemoryEstimate, shape: ModelShape, capacity: MemoryCapacity
) -> None:
    """Reject a context that alone exceeds all memory.

    Unlike the weights, it has no file from which pages could be read again.

    Raises:
        ModelTooLarge: the message names the largest context that fits.
    """
    own = need.kv_cache + need.computing
    if capacity.total is None or own <= capacity.total:
        return
    msg = (
        f"{name} needs {human_size(own)} for its context alone, but {capacity}; "
        f"{_remedy(shape, capacity)} {_INSIST}"
    )
    raise ModelTooLarge(msg)


def describe_shortage(
    name: str, need: MemoryEstimate, shape: ModelShape, capacity: MemoryCapacity
) -> str | None:
    """Return a sentence that says that the memory is too small; None if it is large enough."""
    if capacity.total is None or need.total <= capacity.total:
        return None
    return (
        f"{name} will need about {_parts(need)}, but {capacity}; "
        f"it may be slow or fail; {_remedy(shape, capacity)}"
    )


def _describe_lowered(name: str, options: ServeOptions, shape: ModelShape) -> str | None:
    """Return a sentence that says that llama-server limits a conversation; None if it does not.

    It does so for each slot. Several conversations share the whole context, so that is kept.
    """
    asked, trained = options.ctx_size or 0, shape.trained_context
    if options.runtime is not RuntimeName.LLAMA_CPP or not trained or asked <= trained:
        return None
    return (
        f"a conversation takes at most {trained} tokens, not {asked}: "
        f"that is what {name} was trained with"
    )


def _describe_layers(name: str, need: MemoryEstimate, capacity: MemoryCapacity) -> str | None:
    """Return a sentence that says that not all layers fit on the GPU; None if they do."""
    if not capacity.gpu or need.total <= capacity.gpu:
        return None
    return (
        f"{name} will need about {_parts(need)} on the GPU, which has {human_size(capacity.gpu)}; "
        "it may fail; --ngl -1 puts as many layers there as fit"
    )


def _parts(need: MemoryEstimate) -> str:
    return (
        f"{human_size(need.total)} (weights {human_size(need.weights)}, "
        f"context {human_size(need.kv_cache)}, computing {human_size(need.computing)})"
    )


def _remedy(shape: ModelShape, capacity: MemoryCapacity) -> str:
    largest = shape.largest_context(capacity.total or 0)
    return f"--ctx-size {largest} fits" if largest else "use a smaller variant of the model"


def read_shape(model: StoredModel, weights: int) -> ModelShape | None:
    """Read the shape from the headers of *model*; None if they lack a value."""
    shape = _shape_of(model.directory or model.weights[0], weights)
    if shape is None or model.draft is None:
        return shape
    draft = _shape_of(model.draft, 0)
    return shape.beside(draft) if draft else shape


def _shape_of(path: Path, weights: int) -> ModelShape | None:
    return _read_shape(path, weights, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)  # a model and its draft: the limit of the memory needs them again
def _read_shape(path: Path, weights: int, _changed: int) -> ModelShape | None:
    if path.is_dir():
        from ramalama.planning.memory.transformers_config import (  # noqa: PLC0415 (see `fit`)
            read_shape,
        )

        return read_shape(path, weights=weights)
    from ramalama.models.formats.gguf_metadata import read_metadata  # noqa: PLC0415 (likewise)
    from ramalama.planning.memory.estimate import ModelShape  # noqa: PLC0415 (likewise)

    return ModelShape.of(read_metadata(path), weights=weights)


def _size(path: Path) -> int:
    """Return the bytes of a file, or of the weights in the directory of a safetensors model."""
    if path.is_dir():
        return sum(each.stat().st_size for each in path.glob("*.safetensors"))
    return path.stat().st_size


def model_memory(options: ServeOptions, model: StoredModel, capacity: MemoryCapacity) -> int | None:
    """Return how many bytes *model* may need in main memory, without the server program.

    If that is unknown, because the header does not say it or *options* have arguments and variables
    for the server itself, it is at least the memory that is free now. None if that is unknown, too.
    """
    weights = weights_size(model)
    # Weights may be copied into another layout; a context of usual size needs less than a copy.
    need, known = 2 * weights, not (options.runtime_args or options.env)
    context = context_size(options, model.parameters)
    if known and not 0 < context <= USUAL_CONTEXT:
        shape = read_shape(model, weights)
        known = shape is not None
        if shape is not None:
            context = context or shape.trained_context or USUAL_CONTEXT
            need = max(need, shape.need(context).total + shape.checkpoints(context))
    if known:
        return need
    return max(need, capacity.main) if capacity.main else None
