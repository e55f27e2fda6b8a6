"""Questions that documents do not answer, to learn how near to one a useless passage is.

A floor for the cosine between question and passage depends on the model: unrelated texts have 0.1
in one and 0.6 in another. So these questions are asked when an index is made. A passage says
nothing about a question if it is hardly nearer to it than the best passages are to these ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

PROBES: Final = (
    "What is a good recipe for pancakes with blueberries?",
    "Who won the football match last night?",
    "How old was Napoleon when he became emperor?",
    "Which flowers can I plant in the shade of a tree?",
    "What is the capital of Mongolia?",
    "How do I remove a stain of red wine from a shirt?",
    "Why do cats purr?",
    "Write a short poem about the sea at night.",
    "How many calories does a banana have?",
    "Can you recommend a novel by a Russian author?",
    "What should I wear to a wedding in summer?",
    "How far away is the moon?",
    "My knee hurts when I run; what could it be?",
    "Which bus goes from the airport to the old town?",
    "Tell me a joke about a horse.",
    "When do the salmon return to the river?",
)

_FORGIVEN = 1  # probes that may concern the documents by chance


def floor_of(best: Sequence[float], between: Sequence[float]) -> float:
    """Return the floor; 0 without any probes.

    *best* has the cosine of the best passage for each probe. The floor is as far above the nearest
    one as that is above the usual one. But documents may answer many of the probes, if they are
    about all the world. So the floor is no higher than the largest of *between*, the cosines
    between two probes: even these ask about different things.
    """
    if len(best) <= _FORGIVEN or not between:
        return 0.0
    rising = sorted(best)
    highest, usual = rising[-1 - _FORGIVEN], rising[len(rising) // 2]
    return min(highest + (highest - usual), max(between))
