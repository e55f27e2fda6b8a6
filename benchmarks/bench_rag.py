"""What it takes to find passages among 50,000 chunks, against a plain query and a bare loop.

The chunks are made up: 100 words each, as frequent as words are, and vectors of 384 numbers. Two
floors are measured in the same rounds, on the same index, for the same questions:

* words: one FTS5 query for all words of the question, by BM25, of which 50 rows are read;
* both: that, and a loop that compares the signs of all vectors with those of the question.

Ours weighs the words, compares the best vectors exactly, fuses, and reads the passages. Then a
process of its own searches once, and says how much memory it has; and an index of as many chunks as
--build says is made with vectors that cost nothing, which shows what is added to the time of an
embedding model.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.rounds import report, run_rounds
from ramalama.rag.index.contents import StoredChunk, StoredDocument
from ramalama.rag.index.index import Index
from ramalama.rag.index.vectors import pack, signs
from ramalama.rag.index.writer import IndexSettings, write_index
from ramalama.rag.indexing import index_documents
from ramalama.rag.values import Chunk, EmbedderInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DIMENSION: Final = 384
_INFO: Final = EmbedderInfo(model="made up", dimension=_DIMENSION)
_IN_DOCUMENT: Final = 50
_QUESTIONS: Final = 20
_GOAL: Final = 15  # ms

_MEMORY = """
import re, sys
from array import array
from pathlib import Path
from ramalama.rag.index.index import Index
with Index.open(Path(sys.argv[1])) as index:
    index.search(sys.argv[2], array("f", [384 ** -0.5] * 384))
# Not ru_maxrss, to which the peak of the process counts that has started this one.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(int(peak[1]) // 1024)
"""


class MadeUp:
    """Texts and vectors of chance, the same ones every time."""

    def __init__(self) -> None:
        self._chance = random.Random(1)  # noqa: S311 (texts, not secrets)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self._words = [
            "".join(self._chance.choices(letters, k=self._chance.randint(3, 9)))
            for _ in range(30_000)
        ]
        # As often as Zipf's law says.
        self._weights = list(itertools.accumulate(1 / rank for rank in range(1, 30_001)))

    def text(self, words: int = 100) -> str:
        """Return a text."""
        return " ".join(self._chance.choices(self._words, cum_weights=self._weights, k=words))

    def vector(self) -> array[float]:
        """Return a vector of length 1."""
        numbers = [byte - 127.5 for byte in self._chance.randbytes(_DIMENSION)]
        length = math.hypot(*numbers)
        return array("f", [number / length for number in numbers])

    def index(self, path: Path, chunks: int) -> None:
        """Write an index."""
        settings = IndexSettings(embedder=_INFO, chunk_size=256, sources=("x",), reader=1)
        documents = (
            (
                StoredDocument(uri=f"{number:06}", title=f"title {number}", digest="0" * 64),
                self._chunks(),
            )
            for number in range(chunks // _IN_DOCUMENT)
        )
        write_index(path, documents, settings, [pack(self.vector()) for _ in range(16)])

    def _chunks(self) -> Iterator[StoredChunk]:
        for _ in range(_IN_DOCUMENT):
            chunk = Chunk(text=self.text(), headings=(self.text(2),))
            yield StoredChunk(chunk=chunk, vector=pack(self.vector()))


class NoModel:
    """An embedder whose vectors cost nothing."""

    info = _INFO
    limit = 256

    def __init__(self) -> None:
        self._vector = MadeUp().vector()

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of words of each text."""
        return [text.count(" ") + 1 for text in texts]

    def embed(self, texts: Sequence[str]) -> list[array[float] | None]:
        """Return the same vector for all texts."""
        return [self._vector for _ in texts]

    def embed_question(self, question: str) -> array[float]:
        """Return the same vector again."""
        del question
        return self._vector


class Floor:
    """What an honest user of SQLite and Python would write."""

    def __init__(self, path: Path) -> None:
        uri = f"file:{path}?mode=ro&immutable=1"
        self._connection = sqlite3.connect(uri, uri=True)
        self._signs = [
            int.from_bytes(bits[start : start + _DIMENSION // 8], "little")
            for (bits,) in self._connection.execute("SELECT bits FROM signs ORDER BY part")
            for start in range(0, len(bits), _DIMENSION // 8)
        ]

    def words(self, question: str) -> None:
        """Find the best rows for the words."""
        query = " OR ".join(f'"{word}"' for word in question.split())
        self._connection.execute(
            "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank LIMIT 50", (query,)
        ).fetchall()

    def vectors(self, vector: Sequence[float]) -> None:
        """Find the vector whose signs differ least."""
        wanted = signs(vector)
        min((wanted ^ bits).bit_count() for bits in self._signs)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _compare(path: Path, made_up: MadeUp, rounds: int) -> None:
    questions = [(made_up.text(8), made_up.vector()) for _ in range(_QUESTIONS)]
    with Index.open(path) as index, closing(Floor(path)) as floor:
        index.preload()

        def timed(kind: str) -> float:
            began = time.perf_counter()
            for question, vector in questions:
                match kind:
                    case "plain query":
                        floor.words(question)
                    case "plain query and loop":
                        floor.words(question)
                        floor.vectors(vector)
                    case "words":
                        index.search(question)
                    case _:
                        index.search(question, vector)
            return (time.perf_counter() - began) / len(questions) * 1000

        for floor_kind, ours in (("plain query", "words"), ("plain query and loop", "both")):
            contenders = {kind: partial(timed, kind) for kind in (floor_kind, ours)}
            times = run_rounds(contenders, rounds)
            report(times, floor_kind)
            print(f"{ours}: median {statistics.median(times[ours]):.1f} ms (goal: {_GOAL} ms)")


def _memory(path: Path, question: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(path), question],
        capture_output=True,
        text=True,
        check=True,
    )
    print(f"memory of a process that has searched: {done.stdout.strip()} MB (goal: 80 MB)")


def _build(directory: Path, made_up: MadeUp, chunks: int) -> None:
    documents = directory / "documents"
    documents.mkdir()
    for number in range(chunks // 20):
        paragraphs = "\n\n".join(made_up.text(180) for _ in range(20))
        (documents / f"{number:05}.md").write_text(f"# Title {number}\n\n{paragraphs}")
    began = time.perf_counter()
    made = index_documents([str(documents)], directory / "new.db", embedder=NoModel())
    took = time.perf_counter() - began
    print(
        f"index of {made.meta.chunks} chunks besides the embedding: {took:.1f} s,"
        f" {took / made.meta.chunks * 1000:.2f} ms a chunk"
    )


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=50_000)
    parser.add_argument("--build", type=int, default=4000, help="chunks of the index that is made")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args(words)
    made_up = MadeUp()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        path = Path(name) / "rag.db"
        made_up.index(path, arguments.chunks)
        print(f"{arguments.chunks} chunks, {path.stat().st_size / 1e6:.0f} MB")
        _compare(path, made_up, arguments.rounds)
        _memory(path, made_up.text(8))
        _build(Path(name), made_up, arguments.build)


if __name__ == "__main__":
    main()
