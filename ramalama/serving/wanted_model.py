"""Find the model that will be served, or pull it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.models.options import ModelFormat, PullOptions
from ramalama.models.store.stored_model import StoredModel
from ramalama.planning.memory.fit import admit_within
from ramalama.runtimes import find_runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ramalama.config.options import ServeOptions
    from ramalama.models.library import Models
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.transports.selection.request import Variant
    from ramalama.planning.memory.capacity import MemoryCapacity
    from ramalama.serving.request import StartRequest


def get_model(
    request: StartRequest,
    models: Models,
    *,
    before_pull: Callable[[], object],
    capacity: Callable[[ServeOptions], MemoryCapacity],
) -> StoredModel:
    """Return the requested model with its draft model; pull them if they are not local.

    *before_pull* is called before anything large is downloaded; its exceptions are passed on.
    After it, *capacity* is asked for the memory that a server with these options can use.

    Raises:
        ModelError: the model does not exist, cannot be pulled, is too large, or cannot
            be loaded by the runtime.
    """
    options = request.options
    runtime = find_runtime(options.runtime)

    def get(reference: ModelRef) -> StoredModel:
        if found := models.find(reference, on_event=request.tell):
            return found
        how = PullOptions(
            wanted=runtime.format, authfile=options.authfile, tls_verify=options.tls_verify
        )
        asked = replace(options, model=reference)

        def admit(name: str, weights: int, variants: Sequence[Variant]) -> None:
            before_pull()
            if not options.force:
                admit_within(capacity(asked))(name, weights, variants)

        return models.pull(reference, how, admit=admit, check=runtime.check, on_event=request.tell)

    model = _with_draft(options, get)
    runtime.check(model)
    if model.draft is not None:
        from ramalama.planning.draft_model import check_draft  # noqa: PLC0415 (few have a draft)

        check_draft(model)
    return model


def model_to_plan(options: ServeOptions, models: Models) -> StoredModel:
    """Return the model for a plan; if it is not local, one with a made-up path, without a pull."""
    runtime = find_runtime(options.runtime)

    def get(reference: ModelRef) -> StoredModel:
        path = Path("/path/to", "draft" if reference == options.draft else "model")
        directory = path if runtime.format is ModelFormat.SAFETENSORS else None
        stand_in = StoredModel(reference=reference, weights=(path,), directory=directory)
        return models.find(reference) or stand_in

    return _with_draft(options, get)


def _with_draft(options: ServeOptions, get: Callable[[ModelRef], StoredModel]) -> StoredModel:
    """Get the model and its draft; the draft first, because it is small and may be misspelt."""
    draft = None if options.draft is None else get(options.draft)
    model = get(options.model)
    if draft is None:
        return model
    from ramalama.planning.draft_model import with_draft  # noqa: PLC0415 (few ask for a draft)

    return with_draft(model, draft)
