"""Parts of a file: what of it is there, and what is missing. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Span(NamedTuple):
    """The bytes from *start* up to, but not with, *end*."""

    start: int
    end: int


Spans = tuple[Span, ...]
"""In order, none empty, none touching another, unless a function says otherwise."""


def joined(spans: Iterable[Span]) -> Spans:
    """Put spans in order and join those that touch or overlap; the empty ones go."""
    found: list[Span] = []
    for span in sorted(spans):
        if span.start >= span.end:
            continue
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)


def gaps(spans: Spans, size: int) -> Spans:
    """Return what a file of *size* bytes has beside *spans*, which lie within it."""
    starts = [0, *(span.end for span in spans)]
    ends = [*(span.start for span in spans), size]
    return tuple(Span(start, end) for start, end in zip(starts, ends, strict=True) if start < end)


def prefix(spans: Spans) -> int:
    """Return how many bytes there are from the beginning of the file without a gap."""
    return spans[0].end if spans and spans[0].start == 0 else 0


def total(spans: Iterable[Span]) -> int:
    """Count the bytes of spans that do not overlap."""
    return sum(span.end - span.start for span in spans)
