"""The words that embedding models want before a text, by the families of models.

A model that was trained with such words finds less without them. The words are those that the
model cards prescribe for retrieval; a model that is not in the table wants none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.gguf_metadata import read_metadata
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ramalama.models.store.stored_model import StoredModel

_NAME_KEYS = ("general.name", "general.basename")
_TASK = (
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
)
_REPRESENT = "Represent this sentence for searching relevant passages: "


@frozen(kw_only=False)
class Prefixes:
    """What stands before each text of a document, and before a question."""

    document: str = ""
    question: str = ""


# The first row that matches is used.
_FAMILIES = (
    (r"nomic-embed-text", Prefixes("search_document: ", "search_query: ")),
    (
        r"embedding-?gemma",
        Prefixes("title: none | text: ", "task: search result | query: "),
    ),
    (r"qwen3-embedding", Prefixes("", _TASK)),
    (r"\be5-.*instruct", Prefixes("", f"{_TASK} ")),
    (r"\be5-(small|base|large)", Prefixes("passage: ", "query: ")),
    (r"arctic-embed(2|.*v2)", Prefixes("", "query: ")),
    (r"arctic-embed|mxbai-embed|bge-(small|base|large)-en", Prefixes("", _REPRESENT)),
)


def find_prefixes(names: Iterable[str]) -> Prefixes:
    """Return the prefixes of the model that has these *names*, in its file and its registry."""
    # Files spell them "EmbeddingGemma 300M" and "nomic_embed_text", too.
    spelled = " ".join(re.sub(r"[\s_]+", "-", name.lower()) for name in names)
    return next(
        (prefixes for pattern, prefixes in _FAMILIES if re.search(pattern, spelled)), Prefixes()
    )


def names_of(model: StoredModel) -> Iterator[str]:
    """Yield the names of *model*: in its registry, and in the header of its file."""
    yield str(model.reference)
    if model.directory is not None:
        return
    try:
        keys = read_metadata(model.weights[0]).keys
    except (OSError, ModelUnsupported):
        return
    for key in _NAME_KEYS:
        if isinstance(name := keys.get(key), str):
            yield name
