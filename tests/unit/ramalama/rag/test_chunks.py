"""How a document is cut."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from ramalama.rag.chunks import cut, embedded_text, estimate
from ramalama.rag.values import Chunk, Document, Section

if TYPE_CHECKING:
    from collections.abc import Sequence


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def document(*sections: Section, title: str = "t") -> Document:
    return Document(uri="t", title=title, digest="", sections=sections)


def chunks(*sections: Section, limit: int = 20) -> list[Chunk]:
    return cut(document(*sections), limit=limit, count=words)


def numbered(start: int, end: int) -> str:
    return " ".join(f"w{number}" for number in range(start, end))


def test_a_short_section_is_one_chunk() -> None:
    section = Section(text="one two\n\nthree", headings=("A",), page=4)

    assert chunks(section) == [Chunk(text="one two\n\nthree", headings=("A",), page=4)]


def test_a_document_without_text_has_no_chunk() -> None:
    assert chunks(Section(text=" \n\n")) == []


def test_paragraphs_are_kept_whole_while_they_fit() -> None:
    paragraphs = [numbered(start, start + 6) + " " + "x" * 120 for start in (0, 10, 20, 30)]

    result = chunks(Section(text="\n\n".join(paragraphs)))

    assert all(each in "\n\n".join(chunk.text for chunk in result) for each in paragraphs)
    assert all(words([embedded_text("t", each)])[0] <= 20 for each in result)


def test_a_table_and_fenced_code_are_kept_whole() -> None:
    code = "```py\nx = 1\n\n\ny = 2\n```\n" + "z" * 90
    table = "a\tb\nc\td\n" + "y" * 120
    text = f"{numbered(0, 12)} {'x' * 100}\n\n{code}\n\n{table}"

    texts = [chunk.text for chunk in chunks(Section(text=text))]

    assert any(code in each for each in texts)
    assert any(table in each for each in texts)


def test_a_block_that_is_too_large_is_cut_at_its_lines() -> None:
    lines = [f"{numbered(start, start + 4)} {'x' * 60}" for start in range(0, 80, 4)]

    result = chunks(Section(text="\n".join(lines)))

    assert all(line in lines for each in result for line in each.text.splitlines())


def test_a_line_that_is_too_long_is_cut_at_sentences_and_words() -> None:
    sentences = [f"{numbered(start, start + 4)}." for start in range(0, 40, 4)]

    result = chunks(Section(text=" ".join(sentences)))

    assert all(each.text.endswith(".") for each in result)
    assert max(words([each.text for each in chunks(Section(text=numbered(0, 500)))])) <= 20


def test_what_has_no_space_is_cut_as_well() -> None:
    result = cut(document(Section(text="x" * 5000)), limit=40, count=estimate)

    assert "".join(each.text[each.overlap :] for each in result) == "x" * 5000
    assert all(estimate([embedded_text("t", each)])[0] <= 40 for each in result)


@pytest.mark.parametrize("text", ["# a# a", "# a\n\n", f"===\n{' ' * 30}\ntext"])
def test_no_chunk_is_blank_below_a_heading_that_leaves_no_room(text: str) -> None:
    result = cut(document(Section(text=text, headings=("¤" * 80,))), limit=24)

    assert result
    assert all(each.text.strip() for each in result)


def test_a_chunk_repeats_the_end_of_the_one_before_it() -> None:
    lines = [f"{numbered(start, start + 2)} {'x' * 60}" for start in range(0, 200, 2)]

    first, second, *_ = chunks(Section(text="\n".join(lines)), limit=64)

    assert 4 <= words([second.text[: second.overlap]])[0] <= 10
    assert first.text.endswith(second.text[: second.overlap])


def test_of_a_long_paragraph_the_last_sentences_are_repeated() -> None:
    paragraphs = [
        " ".join(f"{numbered(start, start + 4)}." for start in range(first, first + 40, 4))
        for first in (0, 100)
    ]

    first, second = chunks(Section(text="\n\n".join(paragraphs)), limit=60)

    assert second.text[: second.overlap] == "w32 w33 w34 w35. w36 w37 w38 w39."
    assert first.text.endswith(second.text[: second.overlap])


def test_no_chunk_repeats_the_end_of_another_section() -> None:
    sections = [Section(text=numbered(0, 15), headings=(name,)) for name in "AB"]

    assert [each.overlap for each in chunks(*sections)] == [0, 0]


def test_small_sections_share_a_chunk_and_their_headings_stand_in_it() -> None:
    sections = [Section(text=f"text {name}", headings=("Top", name), page=7) for name in "ABC"]

    assert chunks(*sections) == [
        Chunk(text="A\ntext A\n\nB\ntext B\n\nC\ntext C", headings=("Top",), page=7)
    ]


def test_sections_of_other_chapters_do_not_share_a_chunk() -> None:
    sections = [Section(text="text", headings=(chapter, "x")) for chapter in "AB"]

    assert [each.headings for each in chunks(*sections)] == [("A", "x"), ("B", "x")]


def test_a_chunk_has_the_page_on_which_it_begins() -> None:
    pages = [Section(text=f"{numbered(0, 12)} p{number}", page=number) for number in (1, 2, 3)]

    assert [each.page for each in chunks(*pages)] == [1, 2, 3]


def test_long_titles_and_headings_leave_room_for_text() -> None:
    section = Section(text=numbered(0, 60), headings=("long heading " * 30, "inner"))
    made = cut(document(section, title="a long title " * 30), limit=48, count=words)

    assert all(words([embedded_text("a long title " * 30, each)])[0] <= 48 for each in made)
    assert len(made) < 8


def test_tokens_are_counted_in_few_calls() -> None:
    calls: list[int] = []

    def count(texts: Sequence[str]) -> list[int]:
        calls.append(len(texts))
        return words(texts)

    sections = [Section(text=numbered(0, 300), headings=(str(number),)) for number in range(30)]
    cut(document(*sections), limit=64, count=count)

    assert len(calls) < 20
    assert max(calls) <= 512


@pytest.mark.parametrize("seed", range(40))
def test_every_word_is_in_a_chunk_and_every_chunk_within_the_limit(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 (texts, not secrets)
    limit = chance.choice([8, 32, 100])
    sections: list[Section] = []
    expected: list[str] = []
    for number in range(chance.randrange(1, 6)):
        parts: list[str] = []
        for _ in range(chance.randrange(0, 12)):
            block = [f"w{chance.randrange(10**9)}" for _ in range(chance.randrange(1, 80))]
            expected += block
            parts.append(chance.choice([" ", "\n", ". "]).join(block))
        headings = tuple("ABCD"[: chance.randrange(0, 4)])
        sections.append(Section(text="\n\n".join(parts), headings=headings, page=number + 1))

    made = cut(document(*sections), limit=limit, count=words)

    own = [word.strip(".") for each in made for word in each.text[each.overlap :].split()]
    assert [word for word in own if word.startswith("w")] == expected
    for each, after in pairwise(made):
        assert words([embedded_text("t", each)])[0] <= limit
        assert each.text.endswith(after.text[: after.overlap].rpartition("\n")[2])
