"""Fuse two orders of chunks into one, and leave out what fits too badly."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.rag.index.vectors import Neighbour
    from ramalama.rag.index.words import TextHits

# Reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009, who found this number.
_K = 60
_LEAST_WEIGHT = 0.6  # of a rank by words, for a chunk that has hardly any of the question's words

# How much of the question's words a chunk must have:
_SHARE = 0.36  # if words alone are searched,
_SHARE_IF_FAR = 0.68  # if no vector is near to the question,
_SHARE_IF_NEAR = 0.25  # if there is one, unless the chunk's own vector is rather near.
_RATHER_NEAR = 0.6  # of the floor


def fuse(text: TextHits, near: Sequence[Neighbour] | None, floor: float) -> list[tuple[int, float]]:
    """Return chunks with their scores in (0, 1], the best first; *near* is None without a vector.

    If no vector is nearer to the question than *floor*, the documents hardly answer it, and only
    chunks with most of its words are left.
    """
    scores: dict[int, float] = {}
    for rank, chunk in enumerate(text.chunks, 1):
        weight = _LEAST_WEIGHT + (1 - _LEAST_WEIGHT) * min(text.shares.get(chunk, 0.0), 1.0)
        scores[chunk] = weight / (_K + rank)
    for rank, each in enumerate(near or (), 1):
        scores[each.chunk] = scores.get(each.chunk, 0.0) + 1 / (_K + rank)
    fitting = _fitting(text, near, floor)
    most = (1 if near is None else 2) / (_K + 1)
    kept = [(chunk, score / most) for chunk, score in scores.items() if chunk in fitting]
    return sorted(kept, key=lambda pair: (-pair[1], pair[0]))


def _fitting(text: TextHits, near: Sequence[Neighbour] | None, floor: float) -> set[int]:
    """Return the chunks that fit well enough."""
    is_near = near is not None and len(near) > 0 and near[0].cosine > floor
    share = _SHARE if near is None else _SHARE_IF_NEAR if is_near else _SHARE_IF_FAR
    fitting = {chunk for chunk in text.chunks if text.shares.get(chunk, 0.0) >= share}
    if near and is_near:
        fitting.update(each.chunk for each in near if each.cosine > floor * _RATHER_NEAR)
    return fitting
