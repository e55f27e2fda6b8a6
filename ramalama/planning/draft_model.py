"""Speculative decoding: a small model that guesses ahead for a large one, which then checks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.store.stored_model import StoredModel

_MOST_TOKENS_MORE = 128  # in one vocabulary than in the other; llama.cpp's own bound


def with_draft(model: StoredModel, draft: StoredModel) -> StoredModel:
    """Return *model* with *draft* to guess ahead for it, whatever its author chose.

    Raises:
        ModelUnsupported: the two are of different formats, or *draft* is in several files, and no
            server has a way to be told of these.
    """
    what, files = "", len(draft.weights)
    if (model.directory is None) != (draft.directory is None):
        what = "one is safetensors, the other GGUF; take both of the same format"
    elif draft.directory is None and files > 1:
        what = f"it lies in {files} files; take a smaller one, which lies in one"
    if what:
        msg = f"{draft.reference} cannot guess ahead for {model.reference}: {what}"
        raise ModelUnsupported(msg)
    return replace(model, draft=draft.directory or draft.weights[0])


def check_draft(model: StoredModel) -> None:
    """Make sure that the draft of *model*, if it has one in GGUF, knows the same tokens.

    llama.cpp would go on without it, with no more than a line in its log.

    Raises:
        ModelUnsupported: it is of another family.
    """
    if model.draft is None or model.directory is not None or model.draft in model.weights:
        return
    (kind, tokens), (other_kind, other_tokens) = map(_vocabulary, (model.weights[0], model.draft))
    if kind != other_kind or abs(tokens - other_tokens) > _MOST_TOKENS_MORE:
        msg = (
            f"the draft model of {model.reference} is of another family: it has {other_tokens} "
            f"tokens of the kind {other_kind!r}, the model {tokens} of {kind!r}"
        )
        raise ModelUnsupported(msg)


def _vocabulary(path: Path) -> tuple[object, int]:
    """Return the kind of a file's tokenizer, and how many tokens it has."""
    from ramalama.models.formats.gguf_metadata import read_metadata  # noqa: PLC0415 (likewise)
    from ramalama.planning.memory.estimate import (  # noqa: PLC0415 (few models have a draft)
        count_tokens,
    )

    metadata = read_metadata(path)
    return metadata.keys.get("tokenizer.ggml.model"), count_tokens(metadata)
