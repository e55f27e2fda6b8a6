"""Find the model that will be served, or pull it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.models.options import ModelFormat, PullOptions
from ramalama.models.store.stored_model import StoredModel
from ramalama.runtimes import find_runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.config.options import ServeOptions
    from ramalama.models.library import Models
    from ramalama.models.pull import Admit
    from ramalama.models.reference.reference import ModelRef
    from ramalama.serving.request import StartRequest


def get_model(
    request: StartRequest,
    models: Models,
    *,
    admit: Callable[[ServeOptions], Admit],
) -> StoredModel:
    """Return the requested model with its draft model; pull them if they are not local.

    *admit* returns what is called, for a server with these options, before anything large is
    downloaded; its exceptions are passed on.

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
        return models.pull(
            reference,
            how,
            admit=admit(replace(options, model=reference)),
            check=runtime.check,
            on_event=request.tell,
        )

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
    wanted = None if options.embeddings else options.draft  # a draft guesses words of an answer
    draft = None if wanted is None else get(wanted)
    model = get(options.model)
    if draft is None:
        return model
    from ramalama.planning.draft_model import with_draft  # noqa: PLC0415 (few ask for a draft)

    return with_draft(model, draft)
