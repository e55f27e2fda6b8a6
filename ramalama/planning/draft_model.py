"""Add a draft model for speculative decoding, and check that it fits the model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.store.stored_model import StoredModel

_MAX_DIFFERENCE = 128  # tokens between the two vocabularies; the limit of llama.cpp


def with_draft(model: StoredModel, draft: StoredModel) -> StoredModel:
    """Return *model* with *draft* as its draft model, in place of the one that its author chose.

    Raises:
        ModelUnsupported: the models have different formats, or *draft* consists of several files,
            which no server accepts.
    """
    problem, files = "", len(draft.weights)
    if (model.directory is None) != (draft.directory is None):
        problem = "one is safetensors, the other GGUF; use two models of the same format"
    elif draft.directory is None and files > 1:
        problem = f"it has {files} files; use a smaller one that has a single file"
    if problem:
        msg = f"{draft.reference} cannot be the draft model of {model.reference}: {problem}"
        raise ModelUnsupported(msg)
    return replace(model, draft=draft.directory or draft.weights[0])


def check_draft(model: StoredModel) -> None:
    """Check that the GGUF draft model of *model*, if it has one, has the same vocabulary.

    Otherwise llama.cpp would ignore the draft model, and only write a line to its log.

    Raises:
        ModelUnsupported: the draft model is of another family.
    """
    if model.draft is None or model.directory is not None or model.draft in model.weights:
        return
    (kind, tokens), (other_kind, other_tokens) = map(_vocabulary, (model.weights[0], model.draft))
    if kind != other_kind or abs(tokens - other_tokens) > _MAX_DIFFERENCE:
        msg = (
            f"the draft model of {model.reference} is of another family: it has {other_tokens} "
            f"tokens of the kind {other_kind!r}, the model {tokens} of {kind!r}"
        )
        raise ModelUnsupported(msg)


def _vocabulary(path: Path) -> tuple[object, int]:
    """Return the kind of the tokenizer in the file *path*, and its number of tokens."""
    from ramalama.models.formats.gguf_metadata import read_metadata  # noqa: PLC0415 (likewise)
    from ramalama.planning.memory.estimate import (  # noqa: PLC0415 (few models have a draft)
        count_tokens,
    )

    metadata = read_metadata(path)
    return metadata.keys.get("tokenizer.ggml.model"), count_tokens(metadata)
