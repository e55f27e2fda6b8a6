"""Scanned pages in an index: each picture is read once, and each failure concerns one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama.errors import NothingToIndex, ReadingFailed
from ramalama.events import IndexProgress
from ramalama.rag.index.archive import Archive
from ramalama.rag.index.index import Index
from ramalama.rag.indexing import index_documents, update_index
from ramalama.rag.ocr import pages
from ramalama.rag.values import OcrInfo
from tests.unit.ramalama.rag.made_documents import pdf
from tests.unit.ramalama.rag.made_scans import ColorReader, image, jpeg, scanned
from tests.unit.ramalama.rag.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.events import IndexEvent
    from ramalama.rag.build import BuildReport
    from ramalama.rag.values import Embedder

COLORS = ("red", "green", "blue")


class Place:
    """A directory with a scanned file, and the index beside it."""

    def __init__(self, root: Path) -> None:
        self.docs = root / "docs"
        self.docs.mkdir()
        self.scan = self.docs / "scan.pdf"
        self.path = root / "docs.db"
        self.events: list[IndexEvent] = []
        self.write(*COLORS)

    def write(self, *colors: str) -> None:
        self.scan.write_bytes(scanned([[image(jpeg(color))] for color in colors]))

    def build(
        self, pictures: ColorReader | None = None, embedder: Embedder | None = None
    ) -> BuildReport:
        return index_documents(
            [str(self.docs)],
            self.path,
            embedder=embedder,
            pictures=pictures,
            on_event=self.events.append,
        )

    def found(self, question: str) -> str:
        with Index.open(self.path) as index:
            return "\n".join(f"{each.label}: {each.text}" for each in index.search(question))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def unread(place: Place) -> tuple[int, ...]:
    with Archive(place.path) as archive:
        return archive.documents()[0].pages_without_text


def test_scanned_pages_are_found_by_what_is_written_on_them(place: Place) -> None:
    reader = ColorReader()

    report = place.build(reader)

    assert reader.asked == ["red", "green", "blue"]
    assert (report.scanned, report.unread) == ({}, ())
    assert report.meta.ocr == OcrInfo(model="eye", digest="sha256:eye")
    assert "The page is green all over.[31m" in place.found("a green page")


def test_pictures_that_take_long_to_decode_are_given_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_DECODING_TIME", 1e-9)
    reader = ColorReader()
    (place.docs / "guide.md").write_text("A guide.")

    report = place.build(reader)

    assert reader.asked == ["red"]  # the time is looked at between two pictures
    assert any("take longer than 0 s to decode" in reason for _, reason in report.unread)
    assert "A guide." in place.found("a guide")


def test_progress_names_the_page(place: Place) -> None:
    place.build(ColorReader())

    told = [(each.page, each.pages) for each in place.events if isinstance(each, IndexProgress)]
    assert told == [(0, 0), (1, 3), (2, 3), (3, 3)]


def test_a_picture_file_is_a_document(place: Place) -> None:
    (place.docs / "sign.jpg").write_bytes(jpeg("blue"))
    place.scan.unlink()

    report = place.build(ColorReader())

    assert report.new == 1
    assert place.found("what is blue?") == "sign.jpg: The page is blue all over.[31m"


def test_nothing_is_read_a_second_time(place: Place) -> None:
    place.build(ColorReader())
    before = place.path.read_bytes()
    reader = ColorReader()

    report = place.build(reader)

    assert reader.asked == []
    assert (report.new, report.changed, place.path.read_bytes()) == (0, 0, before)


def test_the_other_pages_of_a_changed_document_are_not_read_again(place: Place) -> None:
    place.build(ColorReader())
    place.write("green", "red", "black")
    reader = ColorReader()

    place.build(reader)

    assert reader.asked == ["black"]
    assert "The page is red all over.[31m" in place.found("a red page")


def test_other_settings_do_not_make_pages_be_read_again(place: Place) -> None:
    place.build(ColorReader())
    reader = ColorReader()

    place.build(reader, WordEmbedder())

    assert reader.asked == []


def test_another_model_reads_all_pages_again(place: Place) -> None:
    place.build(ColorReader())
    reader = ColorReader(name="other")

    report = place.build(reader)

    assert reader.asked == ["red", "green", "blue"]
    assert report.meta.ocr == reader.info


def test_the_same_pages_give_the_same_bytes(place: Place, tmp_path: Path) -> None:
    place.build()
    place.build(ColorReader())
    first = place.path.read_bytes()
    for each in tmp_path.glob("*docs.db*"):
        each.unlink()

    place.build(ColorReader())

    assert place.path.read_bytes() == first


def test_a_model_that_is_named_later_reads_what_was_left_out(place: Place) -> None:
    (place.docs / "text.pdf").write_bytes(pdf(["A page with text."]))
    (place.docs / "sign.jpg").write_bytes(jpeg("blue"))
    embedder = WordEmbedder()
    report = place.build(embedder=embedder)
    assert report.scanned == {str(place.scan): 3}
    embedder.embedded.clear()

    report = place.build(ColorReader(), embedder)

    assert (report.new, report.changed, report.scanned) == (1, 1, {})
    assert not any("with text" in each for each in embedder.embedded)


def test_without_the_model_its_pages_are_left_out_again(place: Place) -> None:
    (place.docs / "text.pdf").write_bytes(pdf(["A page with text."]))
    place.build(ColorReader())

    report = place.build()

    assert report.scanned == {str(place.scan): 3}
    assert report.meta.ocr is None
    assert place.found("red") == ""


def test_an_index_remembers_its_model_even_if_nothing_was_to_be_read(place: Place) -> None:
    place.scan.write_bytes(pdf(["A page with text."]))
    place.build()

    assert place.build(ColorReader()).meta.ocr == ColorReader().info


def test_a_page_that_fails_is_left_out_and_tried_again_next_time(place: Place) -> None:
    reader = ColorReader(refuses=["green"])

    report = place.build(reader)

    assert report.unread == ((f"{place.scan} p. 2", "was refused"),)
    assert unread(place) == (2,)
    assert place.found("green") == ""
    second = ColorReader()
    assert place.build(second).changed == 1
    assert second.asked == ["green"]
    assert unread(place) == ()
    assert "The page is green all over.[31m" in place.found("green")


def test_a_page_that_fails_again_changes_nothing(place: Place) -> None:
    place.build(ColorReader(refuses=["green"]))
    before = place.path.read_bytes()

    report = place.build(ColorReader(refuses=["green"]))

    assert (report.changed, len(report.unread), place.path.read_bytes()) == (0, 1, before)


def test_a_page_without_text_is_read_and_not_tried_again(place: Place) -> None:
    place.write("red", "black")

    place.build(ColorReader())

    assert unread(place) == ()


def test_a_page_of_which_the_server_dies_is_left_out(place: Place) -> None:
    report = place.build(ColorReader(dies_of=["green"]))

    assert report.unread == ((f"{place.scan} p. 2", "was not read: the server went away"),)
    assert place.found("blue")


def test_a_build_ends_when_the_server_is_gone_and_goes_on_later(place: Place) -> None:
    place.write("black", *COLORS)
    with pytest.raises(ReadingFailed, match="eye does not answer any more: the server went away"):
        place.build(ColorReader(dies_of=COLORS))
    assert not place.path.exists()
    reader = ColorReader()

    place.build(reader)

    assert reader.asked == ["red", "green", "blue"]


def test_an_update_reads_with_the_same_model(place: Place) -> None:
    meta = place.build(ColorReader()).meta
    place.write("blue", "black")
    reader = ColorReader()

    report = update_index(place.path, meta, pictures=reader)

    assert (report.changed, reader.asked) == (1, ["black"])


def test_the_number_of_pages_of_a_build_is_bounded_and_the_next_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages.PageReader.__init__, "__kwdefaults__", {"most": 2})

    report = place.build(ColorReader())

    reason = "is more than the 2 pictures that are read at a time"
    assert report.unread == ((f"{place.scan} p. 3", reason),)
    assert place.build(ColorReader()).unread == ()


def test_a_damaged_file_of_texts_is_begun_anew(place: Place) -> None:
    place.build(ColorReader())
    place.path.with_name(".docs.db.pages").write_bytes(b"no database" * 1000)
    place.write("green", "red")
    reader = ColorReader()

    place.build(reader)

    assert reader.asked == ["green", "red"]


def test_pictures_that_cannot_be_read_are_no_index(place: Place) -> None:
    place.scan.unlink()
    (place.docs / "sign.jpg").write_bytes(jpeg("blue"))

    with pytest.raises(NothingToIndex, match=r"sign\.jpg cannot be indexed: it was refused"):
        place.build(ColorReader(refuses=["blue"]))
