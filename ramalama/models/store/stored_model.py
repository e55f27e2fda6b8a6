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
    """A complete model on this machine; all paths are absolute.

    Attributes:
        weights: one GGUF file, or all parts of a split model in order, or the safetensors files of
            a model that is a directory.
        directory: the directory of a safetensors model, with its configuration and tokenizer; else
            None.
        projectors: GGUF files that turn pictures or sound into embeddings (mmproj).
        adapters: GGUF files with LoRA adapters.
        draft: a small model that guesses tokens for this one, in the same format: a GGUF file, or a
            directory.
        chat_template: a Jinja file that overrides the template in the weights.
        template_name: one of llama.cpp's built-in templates, if the model has none that it can
            read.
        system: the author's system prompt.
        parameters: the author's sampling defaults, by Ollama's names (temperature, stop, num_ctx).
        messages: the beginning of every conversation, as (role, content).
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
