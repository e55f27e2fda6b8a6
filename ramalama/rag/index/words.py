"""Find chunks by the words of a question, and say how much of it they have.

The question becomes an FTS5 query of quoted words joined by OR, so nothing in it is syntax. Words
that many chunks have cost the most time and tell the least: the rarest words come first, and the
rest is left out when enough chunks are in sight.
"""

from __future__ import annotations

import math
import re
import sqlite3
from typing import TYPE_CHECKING

from ramalama.rag.index.schema import TOKENIZER
from ramalama.rag.index.stop_words import STOP_WORDS
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LONGEST_QUESTION = 4000  # characters
_LONGEST_WORD = 64
_MOST_WORDS = 24
_SINGLE = 0.7  # of its share for a chunk with one word, which may have another meaning there
_MOST_ROWS = 5000  # that are scored for one question


@frozen(kw_only=False)
class TextHits:
    """What the words of a question have found.

    Attributes:
        chunks: the best ones, the best first.
        shares: of each chunk that has one of the words, how much of the question it has, in (0, 1].
            Rare words count for more, and a chunk that has one word alone for less.
    """

    chunks: tuple[int, ...]
    shares: Mapping[int, float]


class WordSearch:
    """Searches the table ``words`` of a connection."""

    def __init__(self, connection: sqlite3.Connection, chunks: int) -> None:
        self._connection = connection
        self._chunks = chunks
        self._stems = _Stems()
        connection.execute(
            "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab('main', 'words', 'row')"
        )

    def find(self, question: str, limit: int) -> TextHits:
        """Return the best *limit* chunks for the words of *question*."""
        frequencies = self._frequencies(question)
        weights = {
            word: math.log(1 + (self._chunks - number + 0.5) / (number + 0.5))
            for word, number in frequencies.items()
        }
        asked = self._affordable(frequencies)
        if not asked:
            return TextHits((), {})
        # A word in the title or in the headings counts twice.
        best = self._connection.execute(
            "SELECT rowid FROM words WHERE words MATCH ?"
            " ORDER BY bm25(words, 2, 2, 1), rowid LIMIT ?",
            (" OR ".join(map(_quoted, asked)), limit),
        )
        return TextHits(tuple(row[0] for row in best), self._shares(asked, weights))

    def close(self) -> None:
        """Close what splits words."""
        self._stems.close()

    def _frequencies(self, question: str) -> Mapping[str, int]:
        """Return the words of *question* that say something, with the number of their chunks."""
        found: dict[str, int] = {}
        for word, stem in self._stems.of(question).items():
            common = self._connection.execute("SELECT chunks FROM common WHERE term = ?", (stem,))
            row = (
                common.fetchone()
                or self._connection.execute(
                    "SELECT doc FROM temp.vocabulary WHERE term = ?", (stem,)
                ).fetchone()
            )
            found[word] = min(max(int(row[0]), 0), self._chunks) if row else 0
        return found

    def _affordable(self, frequencies: Mapping[str, int]) -> Sequence[str]:
        """Return the words to search, the rarest first; at least one if any chunk has any."""
        rarest = sorted((number, word) for word, number in frequencies.items() if number)
        rows, words = 0, list[str]()
        for number, word in rarest:
            rows += number
            if words and rows > _MOST_ROWS:
                break
            words.append(word)
        return words

    def _shares(self, asked: Iterable[str], weights: Mapping[str, float]) -> Mapping[int, float]:
        whole = sum(weights.values()) or 1
        shares: dict[int, float] = {}
        several = set[int]()
        for word in asked:
            share = weights[word] / whole
            rows = self._connection.execute(
                "SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN 1 AND ?",
                (_quoted(word), self._chunks),
            )
            for (chunk,) in rows:
                if chunk in shares:
                    several.add(chunk)
                    shares[chunk] += share
                else:
                    shares[chunk] = share
        return {
            chunk: share if chunk in several else share * _SINGLE for chunk, share in shares.items()
        }


class _Stems:
    """Splits text into words as FTS5 does, and reduces each to its stem."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False
        )
        for statement in (
            f"CREATE VIRTUAL TABLE word USING fts5(text, tokenize='{TOKENIZER}')",
            "CREATE VIRTUAL TABLE stem USING fts5vocab('word', 'instance')",
        ):
            self._connection.execute(statement)

    def of(self, question: str) -> Mapping[str, str]:
        """Return the words of *question*, one for each stem, without stop words."""
        words = list(
            dict.fromkeys(
                word[:_LONGEST_WORD]
                for word in re.findall(r"[^\W_]+", question[:_LONGEST_QUESTION])
            )
        )
        telling = [word for word in words if word.lower() not in STOP_WORDS]
        self._connection.execute("DELETE FROM word")
        self._connection.executemany(
            "INSERT INTO word(rowid, text) VALUES (?, ?)", enumerate(telling[:_MOST_WORDS])
        )
        rows = self._connection.execute("SELECT doc, term FROM stem ORDER BY doc, offset")
        stems = {stem: telling[number] for number, stem in rows}
        return {word: stem for stem, word in stems.items()}

    def close(self) -> None:
        self._connection.close()


def _quoted(word: str) -> str:
    escaped = word.replace('"', '""')
    return f'"{escaped}"'
