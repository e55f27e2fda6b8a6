"""Store vectors as 16-bit floats, and find the nearest ones without any library.

The signs of a vector's numbers, a bit for each, say roughly where it points: the angle between two
vectors grows with the number of bits in which they differ. So all vectors are compared by their
bits, which takes 3 ms for 50,000 of them, and the best ones by their numbers.
"""

from __future__ import annotations

import math
import struct
from array import array
from itertools import pairwise
from typing import TYPE_CHECKING

from ramalama.errors import IndexInvalid
from ramalama.rag.index.schema import SIGNS_IN_PART
from ramalama_values import frozen

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence

_CANDIDATES = 200  # vectors that are compared by their numbers
_SAMPLE = 2000  # vectors that tell how far the nearest ones are
_STEP = 4  # bits
_ID_SIZE = 4
_SHORTEST, _LONGEST = 0.9, 1.1  # a vector of length 1, after rounding


@frozen(kw_only=False)
class Neighbour:
    """A chunk, and the cosine of the angle between its vector and the question's."""

    chunk: int
    cosine: float


def pack(vector: Sequence[float]) -> bytes:
    """Return *vector* as the index stores it."""
    return struct.pack(f"<{len(vector)}e", *vector)


def unpack(value: bytes, dimension: int) -> tuple[float, ...]:
    """Return the vector that `pack` has stored.

    Raises:
        IndexInvalid: it has another dimension.
    """
    if len(value) != 2 * dimension:
        msg = "the index is damaged: a vector has another dimension"
        raise IndexInvalid(msg)
    return struct.unpack(f"<{dimension}e", value)


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of the angle between two vectors of length 1."""
    return 1 - math.dist(one, other) ** 2 / 2  # a sum that C computes


def signs(vector: Iterable[float]) -> int:
    """Return the signs of the numbers as bits, the first one as the highest bit."""
    return int("".join("1" if number > 0 else "0" for number in vector), 2)


def sign_parts(
    vectors: Iterable[tuple[int, bytes]], dimension: int
) -> Iterator[tuple[bytes, bytes]]:
    """Yield rows for the table ``signs``: IDs of chunks, and the signs of their vectors."""
    chunks, bits = array("I"), bytearray()
    for chunk, value in vectors:
        chunks.append(chunk)
        bits += signs(unpack(value, dimension)).to_bytes(_width(dimension), "little")
        if len(chunks) == SIGNS_IN_PART:
            yield _little_endian(chunks), bytes(bits)
            chunks, bits = array("I"), bytearray()
    if chunks:
        yield _little_endian(chunks), bytes(bits)


class VectorScan:
    """The signs of all vectors of an index, in memory: 80 bytes for a vector of 384 numbers."""

    def __init__(self, rows: Iterable[Sequence[object]], dimension: int, chunks: int) -> None:
        self._dimension = dimension
        self._most = chunks
        self._chunks = array("I")
        self._signs: list[int] = []
        for row in rows:
            self._add(row)
        ids = self._chunks
        rising = all(a < b for a, b in pairwise(ids))
        if not rising or (ids and not 0 < ids[0] <= ids[-1] <= chunks):
            msg = "the index is damaged: its vectors belong to no chunks"
            raise IndexInvalid(msg)

    def nearest(
        self,
        vector: Sequence[float],
        read: Callable[[Sequence[int]], Iterable[tuple[int, bytes]]],
        limit: int,
    ) -> list[Neighbour]:
        """Return the *limit* chunks whose vectors are nearest to *vector*, the nearest one first.

        *read* returns the stored vectors of chunks, in any order.
        """
        near = self._near(signs(vector))
        wanted = tuple(vector)
        found = sorted(
            (-cosine(wanted, unpack(value, self._dimension)), chunk) for chunk, value in read(near)
        )
        return [Neighbour(chunk, -negative) for negative, chunk in found[:limit]]

    def _near(self, wanted: int) -> list[int]:
        """Return the chunks whose signs differ least from *wanted*."""
        furthest = self._estimate(wanted)
        while True:
            near = [
                number
                for number, bits in enumerate(self._signs)
                if (wanted ^ bits).bit_count() <= furthest
            ]
            if len(near) >= min(_CANDIDATES, len(self._signs)):
                break
            furthest += _STEP
        near.sort(key=lambda number: (wanted ^ self._signs[number]).bit_count())
        return [self._chunks[number] for number in near[:_CANDIDATES]]

    def _estimate(self, wanted: int) -> int:
        """Return in how many bits about twice as many vectors as needed differ at most."""
        step = len(self._signs) // _SAMPLE + 1
        sample = sorted((wanted ^ bits).bit_count() for bits in self._signs[::step])
        return sample[min(2 * _CANDIDATES // step, len(sample) - 1)] if sample else 0

    def _add(self, row: Sequence[object]) -> None:
        match row:
            case (bytes() as ids, bytes() as bits):
                count, width = len(ids) // _ID_SIZE, _width(self._dimension)
                fits = count <= self._most - len(self._chunks)
                if fits and len(ids) == count * _ID_SIZE and len(bits) == count * width:
                    self._chunks += _from_little_endian(ids)
                    self._signs += [
                        int.from_bytes(bits[start : start + width], "little")
                        for start in range(0, len(bits), width)
                    ]
                    return
            case _:
                pass
        msg = "the index is damaged: the signs of its vectors do not fit"
        raise IndexInvalid(msg)


def size_of_signs(row: Sequence[object]) -> int:
    """Return the bytes of a row of the table ``signs``."""
    return sum(len(value) for value in row if isinstance(value, bytes | str))


def checked_question(vector: Sequence[float], dimension: int) -> Sequence[float]:
    """Return the vector of a question.

    Raises:
        IndexInvalid: it has another dimension or another length than the vectors of the index.
    """
    if len(vector) != dimension:
        msg = f"the index has vectors of {dimension} numbers, but the question's has {len(vector)}"
        raise IndexInvalid(msg, hint="use the embedding model that the index was made with")
    if not _SHORTEST < math.hypot(*vector) < _LONGEST:
        msg = "the vector of the question has not the length 1"
        raise IndexInvalid(msg)
    return vector


def vectors_of(
    connection: sqlite3.Connection, chunks: Sequence[int]
) -> Iterator[tuple[int, bytes]]:
    """Return the stored vectors of *chunks*, which are read one by one."""
    marks = ",".join("?" * len(chunks))
    query = f"SELECT chunk, value FROM vector WHERE chunk IN ({marks})"  # noqa: S608 (marks alone)
    return connection.execute(query, chunks)


def _width(dimension: int) -> int:
    return -(-dimension // 8)


def _little_endian(ids: array[int]) -> bytes:
    return struct.pack(f"<{len(ids)}I", *ids)


def _from_little_endian(ids: bytes) -> array[int]:
    return array("I", struct.unpack(f"<{len(ids) // _ID_SIZE}I", ids))
