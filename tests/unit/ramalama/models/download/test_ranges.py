"""Arithmetic of parts of files."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ramalama.models.download.journal import Span, Spans, gaps, joined, prefix, total

SIZE = 60


def span(ends: tuple[int, int]) -> Span:
    return Span(min(ends), max(ends))


any_spans = st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(span), max_size=9)


def bytes_of(spans: Spans) -> set[int]:
    """Return the places that spans cover."""
    return {place for start, end in spans for place in range(start, end)}


@given(any_spans)
def test_joined_spans_cover_the_same_bytes_in_order_with_gaps_between(spans: list[Span]) -> None:
    found = joined(spans)

    assert bytes_of(found) == bytes_of(tuple(spans))
    assert all(start < end for start, end in found)
    ends = [place for one in found for place in one]
    assert ends == sorted(set(ends))


@given(any_spans)
def test_spans_and_their_gaps_are_the_file(spans: list[Span]) -> None:
    found = joined(spans)
    missing = gaps(found, SIZE)

    assert bytes_of(missing) == set(range(SIZE)) - bytes_of(found)
    assert joined(missing) == missing
    assert total(found) + total(missing) == SIZE


@given(any_spans)
def test_the_prefix_ends_at_the_first_byte_that_is_missing(spans: list[Span]) -> None:
    there = bytes_of(tuple(spans))

    assert prefix(joined(spans)) == next(place for place in range(SIZE + 1) if place not in there)
