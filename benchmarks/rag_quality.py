"""Measure how well retrieval finds the passages that answer labelled questions.

Two sets are in tests/data/rag, with a README: 28 questions over 40 manual pages of Debian, and 63
over our own manual pages and three translated ones. The pages are fetched as Debian packages at the
first time, and kept in ~/.cache/ramalama-dev/manual-pages.

For each set and each way to search (words alone, vectors alone, both): the share of questions with
an answer in the first place (R@1) and among the first five (R@5), and the mean reciprocal rank
among the first ten (MRR). With --speed, the time of an index against that of its embedding server
for the same texts.

The embedding model is all-MiniLM-L6-v2, in a container of the engine that the settings name, or
what listens at --url.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2

from ramalama import Ramalama
from ramalama.rag.chunks import embedded_text
from ramalama.rag.embeddings import ServerEmbedder
from ramalama.rag.index.archive import Archive
from ramalama.rag.index.index import Index
from ramalama.rag.indexing import index_documents
from ramalama.rag.values import EmbedderInfo
from ramalama_chat.client.remote import open_remote
from tests.lab import assets

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from ramalama.rag.values import Embedder, Passage

_ROOT: Final = Path(__file__).resolve().parents[1]
_DATA: Final = _ROOT / "tests/data/rag"
_SETS: Final = {
    "manual_pages": "40 manual pages",
    "own_pages": "our own pages, and translated ones",
}
_PLACES: Final = 10
_BATCH: Final = 16

Question = dict[str, Any]


def main(words: Sequence[str] | None = None) -> None:
    """Index the pages of each set, ask the questions, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rag_quality", description=__doc__)
    parser.add_argument("--url", help="a server of embeddings that runs; the default starts one")
    parser.add_argument("--chunk-size", type=int, default=256)
    parser.add_argument("--set", choices=_SETS, action="append", help="the default is all")
    parser.add_argument("--failures", action="store_true", help="print what was not among the five")
    parser.add_argument("--speed", action="store_true", help="measure the time of indexing, too")
    arguments = parser.parse_args(words)
    with _embedder(arguments.url) as embedder, tempfile.TemporaryDirectory() as directory:
        for name in arguments.set or _SETS:
            data = tomllib.loads((_DATA / f"{name}.toml").read_text())
            pages = _collect(data, Path(directory, name))
            index = Path(directory, f"{name}.db")
            begun = time.perf_counter()
            report = index_documents(
                [str(pages)], index, embedder=embedder, chunk_size=arguments.chunk_size
            )
            took = time.perf_counter() - begun
            print(f"\n{_SETS[name]}: {report.meta.chunks} chunks, indexed in {took:.1f} s")
            _ask(index, data["question"], embedder, failures=arguments.failures)
            if arguments.speed and isinstance(embedder, ServerEmbedder):
                _compare_speed(index, embedder, took)


@contextmanager
def _embedder(url: str | None) -> Generator[Embedder]:
    if url is None:
        with Ramalama() as ramalama, ramalama.embedder(str(assets.embedder())) as embedder:
            if embedder is not None:  # it is, since it was named
                yield embedder
        return
    client = open_remote(url)
    identity = EmbedderInfo(model="all-MiniLM-L6-v2", dimension=0)
    with ServerEmbedder(client, model="any", identity=identity) as embedder:
        yield embedder
    client.close()


def _collect(data: Mapping[str, Any], directory: Path) -> Path:
    """Put the pages of a set into *directory*, as HTML or Markdown."""
    directory.mkdir()
    roots = _unpack(data["packages"])
    for page in data.get("pages", ()):
        _convert(roots / f"man{page[-1]}" / f"{page}.gz", directory / f"{page}.html")
    for page in data.get("translated", ()):
        language, name = page.split("/")
        _convert(
            roots / language / f"man{page[-1]}" / f"{name}.gz",
            directory / f"{name}.{language}.html",
        )
    if "translated" in data:
        for page in (_ROOT / "docs").glob("*.md"):
            shutil.copy(page, directory)
    return directory


def _unpack(packages: Iterable[str]) -> Path:
    """Return the directory of manual pages, with those of *packages* in it."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = Path(cache) / "ramalama-dev/manual-pages"
    root.mkdir(parents=True, exist_ok=True)
    for package in packages:
        if list(root.glob(f"{package}_*.deb")):
            continue
        subprocess.run(["apt-get", "download", "-q", package], cwd=root, check=True)
        (archive,) = root.glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "--extract", str(archive), str(root)], check=True)
    return root / "usr/share/man"


def _convert(page: Path, target: Path) -> None:
    plain = subprocess.run(["gzip", "-dc", str(page)], check=True, capture_output=True).stdout
    html = subprocess.run(["mandoc", "-T", "html"], input=plain, check=False, capture_output=True)
    target.write_bytes(html.stdout)


def _ask(path: Path, questions: Sequence[Question], embedder: Embedder, *, failures: bool) -> None:
    ranks: dict[str, list[int]] = {"words": [], "vectors": [], "both": []}
    with Index.open(path) as index:
        for question in questions:
            text: str = question["text"]
            vector = embedder.embed_question(text)
            for way, words, near in (
                ("words", text, None),
                ("vectors", "", vector),
                ("both", text, vector),
            ):
                found = index.search(words, near, limit=_PLACES, neighbours=0)
                ranks[way].append(_rank(found, question))
            if failures and not 0 < ranks["both"][-1] <= 5:
                print(f"  {[each[-1] for each in ranks.values()]} {text}")
    print(f"  {'':8} R@1   R@5   MRR@{_PLACES}")
    for way, places in ranks.items():
        shares = (
            sum(place == 1 for place in places),
            sum(0 < place <= 5 for place in places),
            sum(1 / place for place in places if place),
        )
        print(f"  {way:8} " + "  ".join(f"{share / len(places):.2f}" for share in shares))


def _rank(found: Sequence[Passage], question: Question) -> int:
    """Return the place of the first passage that answers the question; 0 if none does."""
    pages = question["page"] if isinstance(question["page"], list) else [question["page"]]
    for place, passage in enumerate(found, 1):
        text = " ".join(passage.text.split())
        if Path(passage.uri).stem in pages and re.search(question["has"], text):
            return place
    return 0


def _compare_speed(index: Path, embedder: ServerEmbedder, took: float) -> None:
    """Send the same texts to the server and nothing else, in the same batches."""
    with Archive(index) as archive:
        texts = [
            embedded_text(document.title, each.chunk)
            for document in archive.documents()
            for each in archive.chunks(document.uri)
        ]
    client = embedder.client
    url = str(client.base_url.join("embeddings"))
    batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]

    def send(batch: Sequence[str]) -> None:
        body = {"model": embedder.model, "input": batch, "encoding_format": "base64"}
        client.post(url, cast_to=httpx2.Response, body=body)

    begun = time.perf_counter()
    with ThreadPoolExecutor(embedder.slots) as pool:
        list(pool.map(send, batches))
    alone = time.perf_counter() - begun
    print(
        f"  the server alone needs {alone:.1f} s for the {len(texts)} texts: "
        f"{took / alone:.2f} times that for the index (goal: 1.3)"
    )


if __name__ == "__main__":
    main()
