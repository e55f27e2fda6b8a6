"""Fuse two orders of chunks into one, and leave out what fits too badly."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.rag.index.vectors import Neighbour
    from ramalama.rag.index.words import TextHits

# Reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009, who found this number.
_K = 60
_SHARE = 0.36  # of the question that a chunk must have, if words alone are searched
_SHARE_BESIDE_VECTORS = 0.6


def fuse(text: TextHits, near: Sequence[Neighbour] | None, floor: float) -> list[tuple[int, float]]:
    """Return chunks with their scores in (0, 1], the best first; *near* is None without a vector.

    A chunk is left out if it has too little of the question's words, and its vector is not nearer
    to the question than *floor*.
    """
    scores: dict[int, float] = {}
    for order in (text.chunks, [each.chunk for each in near or ()]):
        for rank, chunk in enumerate(order, 1):
            scores[chunk] = scores.get(chunk, 0.0) + 1 / (_K + rank)
    share = _SHARE if near is None else _SHARE_BESIDE_VECTORS
    fitting = {each.chunk for each in near or () if each.cosine > floor}
    fitting.update(chunk for chunk in text.chunks if text.shares.get(chunk, 0.0) >= share)
    most = (1 if near is None else 2) / (_K + 1)
    kept = [(chunk, score / most) for chunk, score in scores.items() if chunk in fitting]
    return sorted(kept, key=lambda pair: (-pair[1], pair[0]))
