"""What is written down of partial files, by us and by others."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.models.download.journal import Journal, Span, joined

HONEST: dict[str, object] = {
    "version": 1,
    "identity": "sha256:ab",
    "size": 100,
    "validator": None,
    "spans": [[0, 10], [20, 30]],
}

places = st.integers(0, 2**40)


@st.composite
def journals(draw: st.DrawFn) -> Journal:
    ends = draw(st.lists(st.tuples(places, places)))
    spans = joined(Span(min(pair), max(pair)) for pair in ends)
    return Journal(
        identity=draw(st.text()),
        size=draw(st.integers(spans[-1].end if spans else 0, 2**41)),
        validator=draw(st.none() | st.text()),
        spans=spans,
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(journals())
def test_a_journal_is_read_as_it_was_written(journal: Journal) -> None:
    assert Journal.parse(journal.format()) == journal


def test_the_example_is_a_journal() -> None:
    journal = Journal.parse(json.dumps(HONEST).encode())

    assert journal == Journal(
        identity="sha256:ab", size=100, validator=None, spans=(Span(0, 10), Span(20, 30))
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"version": None},
        {"identity": 7},
        {"size": "100"},
        {"size": 100.0},
        {"size": -1},
        {"size": 29},
        {"size": -1, "spans": []},
        {"validator": 7},
        {"spans": None},
        {"spans": {}},
        {"spans": "ab"},
        {"spans": ["ab"]},
        {"spans": [[0]]},
        {"spans": [[0, 1, 2]]},
        {"spans": [[0, "10"]]},
        {"spans": [[False, True]]},
        {"spans": [[-5, 10]]},
        {"spans": [[10, 10]]},
        {"spans": [[10, 0]]},
        {"spans": [[0, 101]]},
        {"spans": [[0, 10], [5, 20]]},
        {"spans": [[0, 10], [10, 20]]},
        {"spans": [[20, 30], [0, 10]]},
        {"spans": [[0, 10**30]]},
    ],
    ids=str,
)
def test_a_journal_that_makes_no_sense_is_none(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="journal"):
        Journal.parse(json.dumps({**HONEST, **changes}).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b"\0" * 4096, b"[" * 100_000, b"7" * 100_000,
    ],
    ids=lambda content: repr(content[:9]),
)  # fmt: skip
def test_what_is_no_json_object_is_no_journal(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (several libraries' words)
        Journal.parse(content)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_whatever_a_journal_holds_the_only_error_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (several libraries' words)
        Journal.parse(content)


@given(st.dictionaries(st.sampled_from(list(HONEST)), json_values))
def test_a_journal_with_other_values_is_none_or_true_to_itself(changes: dict[str, object]) -> None:
    try:
        journal = Journal.parse(json.dumps({**HONEST, **changes}).encode())
    except ValueError:
        return

    assert all(0 <= span.start < span.end <= journal.size for span in journal.spans)
    assert joined(journal.spans) == journal.spans
