"""Check that a model is made for its task, and read how long texts for embeddings may be.

A text whose tokens a server computes at once needs a physical batch that holds it. That is so for
all models but those that read from left to right, and take the vector of the last token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.embedding_models import Purpose, seems_encoder
from ramalama.models.formats.gguf import ENCODERS
from ramalama.runtimes.base import EmbeddingLimits
from ramalama_accel.runtime_name import RuntimeName

if TYPE_CHECKING:
    from ramalama.config.options import ServeOptions
    from ramalama.models.formats.gguf_metadata import GGUFMetadata
    from ramalama.models.store.stored_model import StoredModel

_LAST = 3  # llama.cpp's number of the pooling that takes the vector of the last token
_USUAL_TEXT = 512  # tokens, if the model does not say it
_LONGEST_TEXT = 2**17  # tokens; no embedding model takes longer ones


def check_purpose(options: ServeOptions, model: StoredModel) -> None:
    """Refuse a chat model as a source of embeddings, and an embedding model for a chat.

    A file that does not exist, or is not valid, is left to the server.

    Raises:
        ModelUnsupported: *model* is not made for what *options* ask for, and do not force.
    """
    if options.force:
        return
    if options.embeddings:
        _check_embeds(model)
    elif seems_encoder(model.directory or model.weights[0]):
        msg = f"{model.reference} is an embedding model, which cannot chat"
        hint = f"serve it with `ramalama serve --embeddings {model.reference}`, or use a chat model"
        raise ModelUnsupported(msg, hint=hint)


def read_limits(options: ServeOptions, model: StoredModel) -> EmbeddingLimits | None:
    """Return the limits of an embeddings server; None if they are unknown, or for vLLM."""
    if model.directory is not None or options.runtime is not RuntimeName.LLAMA_CPP:
        return None  # vLLM reads them itself
    metadata = _metadata(model)
    return None if metadata is None else _limits(metadata, options.ctx_size or 0)


def _metadata(model: StoredModel) -> GGUFMetadata | None:
    from ramalama.models.formats.gguf_metadata import (  # noqa: PLC0415 (not for a chat)
        read_metadata,
    )

    try:
        return read_metadata(model.weights[0])
    except (OSError, ModelUnsupported):
        return None


def _reads_as_whole(metadata: GGUFMetadata) -> bool:
    """Return whether each token sees all others; such a model has no KV cache."""
    causal = metadata.keys.get(f"{metadata.architecture}.attention.causal")
    return causal is False or metadata.architecture in ENCODERS


def _limits(metadata: GGUFMetadata, asked: int) -> EmbeddingLimits:
    pooling = metadata.number("pooling_type")
    trained = metadata.number("context_length") or _USUAL_TEXT
    encodes = _reads_as_whole(metadata)
    unknown = pooling is None or pooling == 0
    return EmbeddingLimits(
        text=min(asked or trained, trained, _LONGEST_TEXT),
        encodes=encodes,
        whole=encodes or not (unknown or pooling == _LAST),
        # What a chat model knows of a text is in its last token.
        pooling=("mean" if encodes else "last") if unknown else None,
        dimension=metadata.number("embedding_length_out") or metadata.number("embedding_length"),
    )


def _check_embeds(model: StoredModel) -> None:
    what = {
        Purpose.GENERATION: "a chat model: its embeddings find less than a search for words",
        Purpose.RANKING: "a model that ranks texts, and makes no embeddings",
    }.get(_purpose(model))
    if what is not None:
        msg = f"{model.reference} is {what}"
        hint = (
            "use an embedding model such as nomic-embed-text;"
            " `ramalama serve --embeddings --force` serves it all the same"
        )
        raise ModelUnsupported(msg, hint=hint)


def _purpose(model: StoredModel) -> Purpose:
    from ramalama.models.formats.embedding_models import (  # noqa: PLC0415 (not for a chat)
        purpose_of,
        purpose_of_directory,
    )

    if model.directory is not None:
        return purpose_of_directory(model.directory)
    metadata = _metadata(model)
    return Purpose.UNKNOWN if metadata is None else purpose_of(metadata)
