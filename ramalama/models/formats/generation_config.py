"""Read the sampling parameters that the author of a safetensors model recommends.

The source is ``generation_config.json`` of Hugging Face's transformers; only numbers are used that
Ollama's options have, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import StoreError
from ramalama.models.formats.bounded_read import read_json
from ramalama_values.json import is_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LONGEST = 1024 * 1024  # bytes
_NAMES = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
}


def read_generation_config(directory: Path) -> Mapping[str, object]:
    """Return the numbers by Ollama's names; empty if the file is missing or not valid."""
    try:
        content = read_json(directory / "generation_config.json", limit=_LONGEST)
    except (StoreError, OSError):
        return {}
    if not is_object(content):
        return {}
    numbers = {name: content.get(theirs) for theirs, name in _NAMES.items()}
    return {name: value for name, value in numbers.items() if isinstance(value, int | float)}
