"""Ask an embeddings server for the vectors of texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from ramalama.errors import EmbeddingFailed
from ramalama.serving.queries.exchange import Request, check_timeout, read_object
from ramalama.serving.queries.vectors import read_vectors
from ramalama_chat.errors import InputRefused
from ramalama_values.text import encodable

if TYPE_CHECKING:
    from array import array

    from ramalama.serving.queries.exchange import Query

_BATCH = 64  # texts of a request; a server divides them among its slots


def ask_vectors(
    model: str, texts: Sequence[str], *, timeout: float | None
) -> Query[list[list[float]]]:
    """Ask for the vectors of *texts*, in their order; *timeout* is for each request of some."""
    if timeout is not None:
        check_timeout(timeout)
    checked = _checked(texts)
    vectors: list[list[float]] = []
    for start in range(0, len(checked), _BATCH):
        some = [encodable(each) for each in checked[start : start + _BATCH]]
        body = {"model": model, "input": some, "encoding_format": "base64"}
        reply = yield Request(path="/embeddings", body=body, timeout=timeout, patient=True)
        vectors += map(_finite, read_vectors(read_object(reply), len(some)))
    return vectors


def _finite(vector: array[float]) -> list[float]:
    numbers = vector.tolist()
    if not all(map(math.isfinite, numbers)):
        msg = "the embedding model sent a vector with a number that is not finite"
        raise EmbeddingFailed(msg)
    return numbers


def _checked(value: object) -> list[str]:
    """Return the texts; a single one is refused: its characters would get a vector each."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        values = cast("Sequence[object]", value)
        texts = [each for each in values if isinstance(each, str)]
        if len(texts) == len(values):
            return texts
    msg = f"texts must be a list of texts, not {value!r}"
    raise InputRefused(msg)
