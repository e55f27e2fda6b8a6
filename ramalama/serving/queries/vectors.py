"""Read the answers of an embeddings server, which are not trusted.

A vector comes as Base64 of 32-bit numbers in little-endian order, or as a list of numbers from a
server that does not know Base64.
"""

from __future__ import annotations

import binascii
import sys
from array import array
from typing import TYPE_CHECKING

from ramalama.errors import EmbeddingFailed
from ramalama_values.json import is_array, is_count, is_object

if TYPE_CHECKING:
    from typing import NoReturn, TypeGuard

LARGEST_DIMENSION = 8192
"""Numbers in a vector; the largest embedding models have half as many."""

_FLOAT = 4  # bytes


def read_vectors(answer: object, count: int) -> list[array[float]]:
    """Return the vectors of *count* texts, in their order; a number in them may not be finite.

    Raises:
        EmbeddingFailed: the answer has other vectors than those of these texts.
    """
    data = answer.get("data") if is_object(answer) else None
    if not is_array(data) or len(data) != count:
        found = f"{len(data)} vectors for {count} texts" if is_array(data) else "no vectors"
        _refuse(f"sent {found}")
    vectors: dict[int, array[float]] = {}
    for position, entry in enumerate(data):
        if not is_object(entry):
            _refuse("sent a vector that is not one")
        number = entry.get("index", position)
        if not is_count(number) or number >= count or number in vectors:
            _refuse("does not say which vector is whose")
        vectors[number] = _read(entry.get("embedding"))
    if len({len(vector) for vector in vectors.values()}) > 1:
        _refuse("sent vectors of different dimensions")
    return [vectors[number] for number in range(count)]


def _read(value: object) -> array[float]:
    vector = array("f")
    if isinstance(value, str):
        if len(value) <= 2 * _FLOAT * LARGEST_DIMENSION:
            _decode(value, vector)
    elif is_array(value) and len(value) <= LARGEST_DIMENSION:
        numbers = [each for each in value if _is_number(each)]
        if len(numbers) == len(value):
            _extend(vector, numbers)
    if not 0 < len(vector) <= LARGEST_DIMENSION:
        _refuse(f"sent a vector that has not 1 to {LARGEST_DIMENSION} numbers")
    return vector


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _decode(text: str, vector: array[float]) -> None:
    try:
        vector.frombytes(binascii.a2b_base64(text.encode("ascii"), strict_mode=True))
    except ValueError:
        return
    if sys.byteorder == "big":
        vector.byteswap()


def _extend(vector: array[float], numbers: list[int | float]) -> None:
    try:
        vector.extend(numbers)
    except OverflowError:  # an integer of 400 digits
        del vector[:]


def _refuse(what: str) -> NoReturn:
    msg = f"the embedding model {what}"
    raise EmbeddingFailed(msg)
