"""Find the embedding model for the vector stores of Llama Stack; nothing is pulled for it.

Its server runs beside the stack, on the CPU: the model that answers is fitted to the memory of the
GPU, and embedding models are small.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ramalama._version import __version__
from ramalama.config.defaults import DEFAULT_EMBEDDING_MODEL, NO_EMBEDDING_MODEL
from ramalama.config.options import ServeOptions
from ramalama.errors import ModelError, StoreError
from ramalama.planning.embedding import check_purpose, read_limits
from ramalama.planning.inputs import PlanInputs
from ramalama_accel.images import default_image
from ramalama_accel.runtime_name import RuntimeName
from ramalama_accel.values import Accelerator, AcceleratorKind
from ramalama_values import frozen

if TYPE_CHECKING:
    from ramalama.config.config import Config
    from ramalama.models.library import Models
    from ramalama.models.store.stored_model import StoredModel

_WITHOUT = "the stack has no vector stores"


@frozen()
class EmbedderBeside:
    """The embeddings server beside a stack.

    Attributes:
        inputs: of its plan; None if there is none.
        notice: why there is none, for the user; "" if there is nothing to say.
    """

    inputs: PlanInputs | None = None
    notice: str = ""


def find_embedder(config: Config, models: Models, stack: PlanInputs) -> EmbedderBeside:
    """Return the embeddings server for *stack*, whose model is that of the settings.

    Only a GGUF file is used: OGX 1.x asks each embeddings server for vectors of a certain length,
    which vLLM refuses for most models.
    """
    wanted = config.embedding_model or DEFAULT_EMBEDDING_MODEL
    if wanted == NO_EMBEDDING_MODEL:
        return EmbedderBeside()
    try:
        reference = models.resolve(wanted)
        model = models.find(reference)
        if model is None:
            pull = f"`ramalama pull {shlex.quote(wanted)}` gets it"
            return EmbedderBeside(
                notice=f"{_WITHOUT}: its embedding model {wanted} is not on this machine; {pull}"
            )
        inputs = _inputs(config, stack, model)
        check_purpose(inputs.options, model)
    except (ModelError, StoreError) as exc:
        return EmbedderBeside(notice=f"{_WITHOUT}: {exc}")
    if inputs.embedding is None or inputs.embedding.dimension is None:
        return EmbedderBeside(notice=f"{_WITHOUT}: {wanted} is no embedding model in GGUF")
    return EmbedderBeside(inputs=inputs)


def _inputs(config: Config, stack: PlanInputs, model: StoredModel) -> PlanInputs:
    asked = stack.options
    options = ServeOptions(
        model=model.reference,
        embeddings=True,
        devices=(),
        threads=asked.threads,
        pull_policy=asked.pull_policy,
        authfile=asked.authfile,
        tls_verify=asked.tls_verify,
        selinux=asked.selinux and not asked.privileged,
        oci_runtime=asked.oci_runtime,
    )
    image = stack.image_name
    if asked.runtime is not RuntimeName.LLAMA_CPP:
        image = default_image(AcceleratorKind.CPU, version=__version__, overrides=config.images)
    return PlanInputs(
        options=options,
        model=model,
        accelerator=Accelerator(kind=AcceleratorKind.CPU),
        image_name=image,
        embedding=read_limits(options, model),
    )
