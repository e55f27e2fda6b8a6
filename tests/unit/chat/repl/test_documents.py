"""A prompt loop that searches documents: /rag, and the sources after an answer."""

from collections.abc import Sequence

from ramalama_chat.session.knowledge import Finding, Source
from tests.unit.chat.parrot import Parrot, talk

SOURCES = (
    Source(label="guide.pdf p. 12 › Networking", text="Use -p.\x1b[2J", uri="docs/guide.pdf"),
    Source(label="faq.md", text="See the guide.", uri="docs/faq.md"),
)


class Shelf:
    def look_up(self, question: str, earlier: Sequence[str], room: int | None) -> Finding:
        raise AssertionError((question, earlier, room))


def reading(*sources: Source) -> Parrot:
    parrot = Parrot()
    parrot.knowledge, parrot.finding = Shelf(), Finding(prompt="", sources=sources)
    return parrot


def test_the_sources_of_an_answer_are_told_on_stderr() -> None:
    heard = talk("How?\n", reading(*SOURCES))

    assert heard.out == "<How?>\n"
    assert "Sources: [1] guide.pdf p. 12 › Networking\n         [2] faq.md\n" in heard.err


def test_an_answer_without_sources_has_no_line_of_them() -> None:
    assert "Sources" not in talk("How?\n", reading()).err


def test_rag_shows_what_was_found_without_its_control_sequences() -> None:
    shown = talk("/rag\n", reading(*SOURCES)).err

    assert "[1] guide.pdf p. 12 › Networking\nUse -p.\n\n[2] faq.md\nSee the guide.\n" in shown


def test_rag_says_that_nothing_was_found() -> None:
    assert "Nothing was found for the last question" in talk("/rag\n", reading()).err


def test_rag_says_that_nothing_was_asked_yet() -> None:
    parrot = reading()
    parrot.finding = None

    assert "Nothing was searched yet" in talk("/rag\n", parrot).err


def test_rag_switches_the_search_off_and_on() -> None:
    parrot = reading()

    heard = talk("/rag off\n/show rag\n/rag on\n/rag maybe\n", parrot)

    assert parrot.looks_up
    assert "Searching the documents is off." in heard.err
    assert "rag          off" in heard.err
    assert "Searching the documents is on." in heard.err
    assert "Error: write on or off, not 'maybe'" in heard.err


def test_rag_without_documents_names_the_option() -> None:
    heard = talk("/rag\n/show\n")

    assert "Error: there are no documents to search; use --rag to name some" in heard.err
    assert "rag  " not in heard.err
