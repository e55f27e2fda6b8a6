"""What the author of a safetensors model wants it to be sampled with.

``generation_config.json`` of Hugging Face's transformers, of which the numbers count that have a
name in Ollama's options, too.
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
    """Read the numbers, by Ollama's names; a file that makes no sense says nothing."""
    try:
        content = read_json(directory / "generation_config.json", limit=_LONGEST)
    except (StoreError, OSError):
        return {}
    if not is_object(content):
        return {}
    numbers = {name: content.get(theirs) for theirs, name in _NAMES.items()}
    return {name: value for name, value in numbers.items() if isinstance(value, int | float)}
