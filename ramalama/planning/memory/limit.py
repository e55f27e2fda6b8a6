"""Estimate how much main memory a model may need, for the limit of its container.

The estimate is generous: a server that needs more than its limit is killed. It only has to be so
small that a hostile or broken image cannot take all memory of the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.planning.memory.fit import USUAL_CONTEXT, read_shape, weights_size
from ramalama.runtimes.base import context_size

if TYPE_CHECKING:
    from ramalama.config.options import ServeOptions
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.planning.memory.capacity import MemoryCapacity


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
