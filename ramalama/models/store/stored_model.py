"""A model on this machine's disk."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ramalama.models.reference.reference import ModelRef


@frozen()
class StoredModel:
    """A model that is complete on this machine; all paths are absolute.

    Attributes:
        weights: one GGUF file or all parts of a split model, the first part first; the
            safetensors files of a model that is a directory.
        directory: of a safetensors model, with its configuration and tokenizer; else None.
        projectors: GGUF files that turn pictures or sound into embeddings (mmproj).
        adapters: GGUF files with LoRA adapters.
        draft: a small model that guesses ahead for this one, in the same format: a GGUF file, or a
            directory.
        chat_template: a Jinja file that overrides what the weights carry.
        template_name: one of llama.cpp's own templates, where the model has none that it reads.
        system: the system prompt that its author meant it to have.
        parameters: its author's sampling defaults, by Ollama's names (temperature, stop, num_ctx).
        messages: the beginning of every conversation, each with its role.
    """

    reference: ModelRef
    weights: tuple[Path, ...]
    directory: Path | None = None
    projectors: tuple[Path, ...] = ()
    adapters: tuple[Path, ...] = ()
    draft: Path | None = None
    chat_template: Path | None = None
    template_name: str | None = None
    system: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])
    messages: tuple[tuple[str, str], ...] = ()
