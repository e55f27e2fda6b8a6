"""An embedder without a model: texts that share words are near to each other."""

from __future__ import annotations

import hashlib
import math
from array import array
from typing import TYPE_CHECKING

from ramalama.rag.values import EmbedderInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

DIMENSION = 64


class WordEmbedder:
    """Meets `Embedder`; remembers what it was asked.

    *refuses* is a word: texts with it have no vector. After *breaks_after* texts it raises.
    """

    def __init__(
        self, *, limit: int = 200, refuses: str = "", breaks_after: int | None = None
    ) -> None:
        self.limit = limit
        self.info = EmbedderInfo(model="words", dimension=DIMENSION)
        self.embedded: list[str] = []
        self.batches: list[int] = []
        self.counts = 0
        self._refuses = refuses
        self._left = breaks_after

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of words of each text."""
        self.counts += 1
        return [len(text.split()) for text in texts]

    def embed(self, texts: Sequence[str]) -> list[array[float] | None]:
        """Return the vectors of texts."""
        self.batches.append(len(texts))
        if self._left is not None:
            self._left -= len(texts)
            if self._left < 0:
                raise KeyboardInterrupt
        self.embedded += texts
        return [
            None if self._refuses and self._refuses in text else self.embed_question(text)
            for text in texts
        ]

    def embed_question(self, question: str) -> array[float]:
        """Return the vector of a question."""
        vector = [1e-3] * DIMENSION
        for word in question.lower().split():
            digest = hashlib.sha256(word.strip(".,?!").encode()).digest()
            vector[digest[0] % DIMENSION] += 1.0 if digest[1] % 2 else -1.0
        length = math.hypot(*vector)
        return array("f", [number / length for number in vector])
