"""Read the answers of an embeddings server as directions: vectors of length 1."""

from __future__ import annotations

import math
from array import array
from operator import mul

from ramalama.serving.queries import vectors

_TOLERANCE = 1e-5  # of a length that counts as 1


def read_vectors(answer: object, count: int) -> list[array[float] | None]:
    """Return the vectors of *count* texts, each of length 1; None for one that is no direction.

    Raises:
        EmbeddingFailed: the answer has other vectors than those of these texts.
    """
    return [normalized(vector) for vector in vectors.read_vectors(answer, count)]


def normalized(vector: array[float]) -> array[float] | None:
    """Return *vector* with the length 1; None if it has no direction: zero, infinite, no number."""
    length = math.sqrt(sum(map(mul, vector, vector)))
    if not 0 < length < math.inf:
        return None
    if abs(length - 1) < _TOLERANCE:
        return vector
    return array("f", [number / length for number in vector])
