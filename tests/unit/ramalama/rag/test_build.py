"""What a build reads, embeds and writes, the first time and later."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import IndexInvalid, NothingToIndex, RagError
from ramalama.events import IndexPlanned, IndexProgress, IndexWriting, Notice
from ramalama.rag.index.archive import Archive
from ramalama.rag.index.index import Index
from ramalama.rag.indexing import index_documents, update_index
from ramalama.system.locks import locked
from tests.doubles.server import FileServer, serve_bytes
from tests.unit.ramalama.rag.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ramalama.events import IndexEvent
    from ramalama.rag.build import BuildReport
    from ramalama.rag.values import Embedder

DOCUMENTS = {
    "a.md": "# Cats\n\nCats sleep all day.\n\n## Mice\n\nThey hunt mice at night.\n",
    "b.txt": "Ships cross the ocean.\n",
    "c.html": "<title>Tar</title><p>tar packs files into an archive.",
}


class Place:
    """A directory of documents, and the index beside it."""

    def __init__(self, root: Path) -> None:
        self.docs = root / "docs"
        self.path = root / "docs.db"
        self.events: list[IndexEvent] = []

    def write(self, documents: Mapping[str, str]) -> None:
        self.docs.mkdir(exist_ok=True)
        for name, text in documents.items():
            (self.docs / name).write_text(text)

    def build(self, embedder: Embedder | None = None, *, chunk_size: int = 64) -> BuildReport:
        names = [str(self.docs)]
        return index_documents(
            names,
            self.path,
            embedder=embedder,
            chunk_size=chunk_size,
            on_event=self.events.append,
        )

    def files(self) -> set[str]:
        return {each.name for each in self.path.parent.iterdir()} - {"docs"}

    def uris(self) -> list[str]:
        with Archive(self.path) as archive:
            return [each.uri.removeprefix(f"{self.docs}/") for each in archive.documents()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.write(DOCUMENTS)
    return made


def test_a_build_makes_an_index_and_leaves_nothing_else(place: Place) -> None:
    report = place.build(WordEmbedder())

    assert place.files() == {"docs.db"}
    assert place.uris() == ["a.md", "b.txt", "c.html"]
    assert (report.new, report.changed, report.removed, report.skipped) == (3, 0, 0, ())
    assert report.size == place.path.stat().st_size
    with Index.open(place.path) as index:
        assert index.info.embedder == WordEmbedder().info
        (passage, *_) = index.search("cats that hunt mice")
    assert passage.label == "a.md › Cats"


def test_the_same_documents_give_the_same_bytes(place: Place, tmp_path: Path) -> None:
    place.build(WordEmbedder())
    first = place.path.read_bytes()
    for name in DOCUMENTS:
        os.utime(place.docs / name, (1, 1))
    os.utime(place.docs, (1, 1))
    place.path.rename(tmp_path / "first")

    place.build(WordEmbedder())

    assert place.path.read_bytes() == first


def test_what_has_not_changed_is_not_embedded_again(place: Place) -> None:
    place.build(WordEmbedder())
    before = place.path.read_bytes()
    embedder = WordEmbedder()

    report = place.build(embedder)

    assert embedder.embedded == []
    assert (report.new, report.changed, report.removed, report.embedded) == (0, 0, 0, 0)
    assert place.path.read_bytes() == before


def test_only_the_chunks_that_have_changed_are_embedded_again(place: Place) -> None:
    place.write({"a.md": "# Cats\n\n" + "x " * 50 + "\n\n## Mice\n\nThey hunt mice at night.\n"})
    place.build(WordEmbedder())
    place.write({"a.md": "# Cats\n\n" + "x " * 50 + "\n\n## Mice\n\nThey hunt no mice.\n"})
    embedder = WordEmbedder()

    report = place.build(embedder)

    assert (report.changed, report.embedded) == (1, 1)
    assert embedder.embedded == ["Cats › Mice\nThey hunt no mice."]


def test_an_index_that_was_changed_is_the_same_as_one_that_was_made_anew(place: Place) -> None:
    place.write({"old.md": "gone soon", "b.txt": "Before."})
    place.build(WordEmbedder())
    place.write({"new.md": "# New\n\ntext", **DOCUMENTS})
    (place.docs / "old.md").unlink()

    report = place.build(WordEmbedder())
    changed = place.path.read_bytes()
    place.path.unlink()
    place.build(WordEmbedder())

    assert (report.new, report.changed, report.removed) == (1, 1, 1)
    assert place.path.read_bytes() == changed


def test_a_document_that_is_gone_is_no_longer_found(place: Place) -> None:
    place.build()
    (place.docs / "b.txt").unlink()

    place.build()

    assert place.uris() == ["a.md", "c.html"]
    with Index.open(place.path) as index:
        assert index.search("ships cross the ocean") == []


def test_another_chunk_size_or_another_model_reads_all_again(place: Place) -> None:
    place.build(WordEmbedder())

    assert place.build(WordEmbedder(), chunk_size=32).embedded > 0
    assert place.build().meta.embedder is None
    notices = [each.message for each in place.events if isinstance(each, Notice)]
    assert notices == ["the settings have changed: all documents are read again"] * 2


def test_the_limit_of_the_model_bounds_the_chunks(place: Place) -> None:
    report = place.build(WordEmbedder(limit=33), chunk_size=500)

    assert report.meta.chunk_size == 33


def test_what_is_no_document_is_left_out_and_told(place: Place) -> None:
    place.write({"empty.md": ""})
    (place.docs / "x.bin").write_bytes(b"\x7fELF\0")

    report = place.build()

    assert [(uri.rpartition("/")[2], reason) for uri, reason in report.skipped] == [
        ("empty.md", "has no text"),
        ("x.bin", "is a binary file"),
    ]


def test_without_any_document_the_index_stays_as_it_is(place: Place) -> None:
    place.build()
    before = place.path.read_bytes()
    for name in DOCUMENTS:
        (place.docs / name).write_bytes(b"\0")

    with pytest.raises(NothingToIndex, match=r"a\.md cannot be indexed: it is a binary file"):
        place.build()

    assert place.path.read_bytes() == before
    assert place.files() == {"docs.db"}


def test_a_document_that_cannot_be_read_now_stays_in_its_last_state(place: Place) -> None:
    with FileServer({"/a.md": serve_bytes(b"# Ocean\n\nShips cross it.")}) as server:
        names = [str(place.docs), f"{server.url}/a.md"]
        index_documents(names, place.path)
        del server.routes["/a.md"]
        (place.docs / "b.txt").unlink()

        report = index_documents(names, place.path)

    assert report.kept == ((f"{server.url}/a.md", "cannot be fetched: the server answers 404"),)
    assert (report.removed, report.meta.documents) == (1, 3)
    with Index.open(place.path) as index:
        assert index.search("which ships cross the ocean")


def test_chunks_that_the_model_refuses_are_counted(place: Place) -> None:
    report = place.build(WordEmbedder(refuses="ocean"))

    assert report.meta.without_vector == 1


def test_chunks_are_embedded_in_batches_across_documents(place: Place) -> None:
    place.write({f"{number:03}.txt": f"text number {number}" for number in range(200)})
    embedder = WordEmbedder()

    place.build(embedder)

    assert max(embedder.batches) == 64
    assert len(embedder.batches) <= 5


def test_events_tell_how_far_it_is(place: Place) -> None:
    place.build(WordEmbedder())

    assert place.events[0] == IndexPlanned(3)
    assert any(isinstance(each, IndexProgress) for each in place.events)
    assert place.events[-1] == IndexWriting(3)


def test_a_file_that_is_no_index_is_not_overwritten(place: Place) -> None:
    place.path.write_text("my notes")

    with pytest.raises(IndexInvalid, match="exists and is not an index, so it is not overwritten"):
        place.build()

    assert place.path.read_text() == "my notes"


def test_a_damaged_index_is_made_anew(place: Place) -> None:
    place.build()
    whole = place.path.read_bytes()
    place.path.write_bytes(whole[:4096] + b"\xff" * 4096)

    place.build()

    assert place.path.read_bytes() == whole


def test_an_update_takes_the_same_names_model_and_size(place: Place) -> None:
    place.build(WordEmbedder())
    place.write({"new.md": "# New\n\ntext"})
    with Archive(place.path) as archive:
        meta = archive.meta

    report = update_index(place.path, meta, embedder=WordEmbedder())

    assert (report.new, report.removed) == (1, 0)
    assert report.meta.chunk_size == 64


def test_two_builds_of_one_index_wait_for_each_other(place: Place) -> None:
    lock = place.path.with_name(".docs.db.lock")
    with locked(lock):
        thread = threading.Thread(target=place.build)
        thread.start()
        deadline = time.monotonic() + 20
        while not place.events and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not place.path.exists()
    thread.join()

    assert place.events[0] == Notice(f"waiting for another command that makes {place.path}")
    assert place.uris() == ["a.md", "b.txt", "c.html"]


def test_an_interrupted_build_goes_on_where_it_was(place: Place) -> None:
    place.write({f"{number:03}.txt": f"text number {number}" for number in range(300)})
    with pytest.raises(KeyboardInterrupt):
        place.build(WordEmbedder(breaks_after=150))
    assert not place.path.exists()
    embedder = WordEmbedder()

    place.build(embedder)

    assert len(embedder.embedded) <= 303 - 128
    resumed = place.path.read_bytes()
    place.path.unlink()
    place.build(WordEmbedder())
    assert place.path.read_bytes() == resumed
    assert place.files() == {"docs.db"}


def test_a_large_document_goes_on_in_its_middle(place: Place) -> None:
    place.write({"big.md": "\n\n".join(f"# H{number}\n\n{'x ' * 60}" for number in range(300))})
    with pytest.raises(KeyboardInterrupt):
        place.build(WordEmbedder(breaks_after=200))
    embedder = WordEmbedder()

    place.build(embedder)

    assert len(embedder.embedded) < 200


def test_the_work_of_a_build_with_other_settings_is_not_used(place: Place) -> None:
    place.write({f"{number:03}.txt": f"text number {number}" for number in range(300)})
    with pytest.raises(KeyboardInterrupt):
        place.build(WordEmbedder(breaks_after=150))

    place.build()

    assert place.files() == {"docs.db"}
    with Index.open(place.path) as index:
        assert index.info.embedder is None


def test_a_damaged_work_file_is_replaced(place: Place) -> None:
    place.path.with_name(".docs.db.work").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)

    place.build(WordEmbedder())

    assert place.files() == {"docs.db"}


_BUILD = """
import sys
from pathlib import Path
from ramalama.rag.indexing import index_documents
from tests.doubles.server import FileServer, serve_bytes
from tests.unit.ramalama.rag.word_embedder import WordEmbedder
index_documents([sys.argv[1]], Path(sys.argv[2]), embedder=WordEmbedder(), chunk_size=64)
"""


def test_a_build_may_be_killed_at_any_moment(place: Place) -> None:
    documents = {
        f"{number:03}.md": f"# T{number}\n\n" + "\n\n".join(f"w{each} " * 40 for each in range(9))
        for number in range(60)
    }
    place.write(documents)
    place.build(WordEmbedder())
    expected = place.path.read_bytes()
    place.path.unlink()
    chance = random.Random(11)  # noqa: S311 (moments, not secrets)
    command = [sys.executable, "-c", _BUILD, str(place.docs), str(place.path)]
    began = time.monotonic()
    subprocess.run(command, check=True)
    takes = time.monotonic() - began
    place.path.unlink()

    for _ in range(10):
        place.write({"000.md": f"changed {chance.random()}"})
        with subprocess.Popen(command, process_group=0) as process:
            time.sleep(chance.uniform(0.05, takes))
            process.send_signal(signal.SIGKILL)
        if place.path.exists():
            with Index.open(place.path) as index:
                assert index.info.documents == 63
    place.write(documents)
    place.build(WordEmbedder())

    assert place.path.read_bytes() == expected
    assert place.files() == {"docs.db"}


def test_a_full_disk_has_the_exit_code_of_a_file_that_cannot_be_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(DOCUMENTS)

    def full(*_: object) -> None:
        msg = "database or disk is full"
        raise sqlite3.OperationalError(msg)

    monkeypatch.setattr("ramalama.rag.build.WorkFile.open", full)

    with pytest.raises(RagError, match="cannot be written") as caught:
        place.build()
    assert caught.value.exit_code == 5
