"""The purpose of each file of a model."""

from __future__ import annotations

from enum import StrEnum


class FileKind(StrEnum):
    """The purpose of a file; values that upstream RamaLama's store has are spelled as there."""

    GGUF = "gguf"
    SAFETENSORS = "safetensor"
    PROJECTOR = "mmproj"
    ADAPTER = "adapter"
    DRAFT = "draft"
    CHAT_TEMPLATE = "chat_template"  # Jinja
    GO_TEMPLATE = "go_template"  # Ollama's
    SYSTEM = "system"  # text
    PARAMETERS = "params"  # a JSON object of Ollama's option names
    MESSAGES = "messages"  # a JSON list of {"role", "content"}
    LICENSE = "license"
    OTHER = "other"
