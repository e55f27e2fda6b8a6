"""The model that is to be served: found on this machine, or pulled; and one for a mere plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.models.options import ModelFormat, PullOptions
from ramalama.models.store.stored_model import StoredModel
from ramalama.planning.draft_model import check_draft, with_draft
from ramalama.planning.memory.fit import admit_within
from ramalama.runtimes import find_runtime
from ramalama.serving.accelerator import capacity_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.config.options import ServeOptions
    from ramalama.models.library import Models
    from ramalama.models.reference.reference import ModelRef
    from ramalama.serving.request import StartRequest
    from ramalama_accel.host import Host


def get_model(request: StartRequest, models: Models, host: Host) -> StoredModel:
    """Return the model that is asked for, with its draft; pulled if it is not on this machine.

    Raises:
        ModelError: it is missing, cannot be had, is too large for *host*, or the runtime cannot
            load it.
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
        admit = None if options.force else admit_within(capacity_of(host, asked))
        return models.pull(reference, how, admit=admit, check=runtime.check, on_event=request.tell)

    model = _with_draft(options, get)
    runtime.check(model)
    check_draft(model)
    return model


def model_to_plan(options: ServeOptions, models: Models) -> StoredModel:
    """Return the model for a mere plan, which is no reason to fetch one that is not there."""
    runtime = find_runtime(options.runtime)

    def get(reference: ModelRef) -> StoredModel:
        path = Path("/path/to", "draft" if reference == options.draft else "model")
        directory = path if runtime.format is ModelFormat.SAFETENSORS else None
        stand_in = StoredModel(reference=reference, weights=(path,), directory=directory)
        return models.find(reference) or stand_in

    return _with_draft(options, get)


def _with_draft(options: ServeOptions, get: Callable[[ModelRef], StoredModel]) -> StoredModel:
    """Get what is to be served; its draft first, since that is small and may be misspelt."""
    draft = None if options.draft is None else get(options.draft)
    model = get(options.model)
    return model if draft is None else with_draft(model, draft)
