"""Which sources an answer cites."""

import pytest

from ramalama_chat.session.citations import cited_sources, describe_sources, find_citations
from ramalama_chat.session.knowledge import Source

SOURCES = tuple(Source(label=f"{name}.md", uri=f"docs/{name}.md") for name in "abcd")


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("Use -p [1].", [1]),
        ("Use -p[2][1].", [1, 2]),
        ("Both [1, 3] and [1;2].", [1, 2, 3]),
        ("All of them [1-3], [2\u20134].", [1, 2, 3, 4]),
        ("See [source 2] and [Sources 3, 4].", [2, 3, 4]),
        ("As some models write it【4】.", [4]),
        ("A footnote [^2].", [2]),
        ("In 2024 [2024], or [0], [5], [9-12].", []),
        ("None, [] [x] [1x] (1).", []),
        ("Code `a[1]` and\n```\nb[2]\n``` and [3].", [3]),
        ("An open block\n```\nb[2]", []),
        ("", []),
    ],
)
def test_the_numbers_in_an_answer_name_its_sources(answer: str, numbers: list[int]) -> None:
    assert [number for number, _ in cited_sources(answer, SOURCES)] == numbers


def test_a_citation_has_its_place_in_the_answer() -> None:
    answer = "`[1]` Use -p [2]."

    (citation,) = find_citations(answer, 4)

    assert answer[citation.start : citation.end] == "[2]"


def test_an_endless_range_costs_no_more_than_the_sources() -> None:
    assert len(list(find_citations("[1-999]" * 1000, 4))) == 4000
    assert list(find_citations("[1]", 0)) == []


def test_sources_are_told_one_a_line() -> None:
    cited = cited_sources("[3][1]", SOURCES)

    assert describe_sources(cited) == "Sources: [1] a.md\n         [3] c.md"
    assert describe_sources(cited[:1]) == "Sources: [1] a.md"
    assert describe_sources(()) == ""
