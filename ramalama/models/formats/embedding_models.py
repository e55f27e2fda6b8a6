"""Find out whether a model makes embeddings, from the first bytes of its files.

A GGUF file of an embedding model has an architecture that only encodes, or a key that says how the
vectors of its tokens become one. A directory of safetensors has `modules.json`, which
sentence-transformers writes, or the architecture of an encoder.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported, StoreError
from ramalama.models.formats.bounded_read import read_json
from ramalama.models.formats.gguf import ENCODERS, first_architecture
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ramalama.models.formats.gguf_metadata import GGUFMetadata

POOLING_KEY = "pooling_type"
"""The key of GGUF, after the architecture, that says how the vectors of tokens become one."""

RANK = 4
"""llama.cpp's number of the pooling of a model that ranks texts, and makes no vectors."""

_MAX_FILE = 1024 * 1024  # bytes
# Names of transformers; all others say nothing: "ChatGLMModel" generates text.
_GENERATOR = r"ForCausalLM|ForConditionalGeneration|LMHeadModel"
_ENCODER = r"(Bert|Roberta|BERT|MPNet|Gte|Encoder).*(Model|ForMaskedLM)$"
_RANKER = r"ForSequenceClassification$"


class Purpose(Enum):
    """What a model can be used for."""

    GENERATION = auto()  # of text
    EMBEDDINGS = auto()
    BOTH = auto()
    RANKING = auto()
    UNKNOWN = auto()


def is_encoder(path: Path) -> bool:
    """Return whether the model at *path* generates no text; False if that is unknown.

    *path* is a GGUF file or a directory of safetensors. This is quick if the file begins with its
    architecture, as nearly all do.
    """
    if path.is_dir():
        return purpose_of_directory(path) is Purpose.EMBEDDINGS
    architecture = first_architecture(path)
    if architecture is None:
        from ramalama.models.formats.gguf_metadata import (  # noqa: PLC0415 (rarely needed)
            read_metadata,
        )

        architecture = read_metadata(path).architecture
    return architecture in ENCODERS


def seems_encoder(path: Path) -> bool:
    """Return whether the model at *path* generates no text; False if it cannot be read."""
    try:
        return is_encoder(path)
    except (OSError, ModelUnsupported):
        return False


def purpose_of(metadata: GGUFMetadata) -> Purpose:
    """Return what the model with this header of GGUF can be used for."""
    pooling = metadata.number(POOLING_KEY)
    if pooling == RANK:
        return Purpose.RANKING
    if metadata.architecture is None:
        return Purpose.UNKNOWN
    if metadata.architecture in ENCODERS:
        return Purpose.EMBEDDINGS
    return Purpose.BOTH if pooling else Purpose.GENERATION


def purpose_of_directory(directory: Path) -> Purpose:
    """Return what the safetensors model in *directory* can be used for."""
    names = tuple(_architectures(directory))

    def are(pattern: str) -> bool:
        return any(re.search(pattern, name) for name in names)

    if (directory / "modules.json").is_file():
        return Purpose.BOTH if are(_GENERATOR) else Purpose.EMBEDDINGS
    known = {
        _RANKER: Purpose.RANKING,
        _GENERATOR: Purpose.GENERATION,
        _ENCODER: Purpose.EMBEDDINGS,
    }
    return next((purpose for pattern, purpose in known.items() if are(pattern)), Purpose.UNKNOWN)


def _architectures(directory: Path) -> Iterator[str]:
    try:
        config = read_json(directory / "config.json", limit=_MAX_FILE)
    except (StoreError, OSError):
        return
    names = config.get("architectures") if is_object(config) else None
    if is_array(names):
        yield from (name for name in names if isinstance(name, str))
