"""Questions that documents do not answer, to learn how near to one a useless passage is.

A floor for the cosine between question and passage depends on the model: unrelated texts have 0.1
in one and 0.6 in another. So these questions are asked when an index is made. A passage says
nothing about a question if it is no nearer to it than the best passages usually are to these ones.
A few of them may concern the documents by chance, which a quartile forgives.
"""

from __future__ import annotations

from typing import Final

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


def floor_of(best: list[float]) -> float:
    """Return the floor, from the cosine of the best passage for each probe; 0 without any."""
    if not best:
        return 0.0
    return sorted(best)[len(best) * 3 // 4]
