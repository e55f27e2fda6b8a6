"""Compute which parts of a file exist and which are missing, with pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Span(NamedTuple):
    """The bytes from *start* (included) to *end* (excluded)."""

    start: int
    end: int


Spans = tuple[Span, ...]
"""Spans in order, not empty and not touching each other, unless a function says otherwise."""


def joined(spans: Iterable[Span]) -> Spans:
    """Sort spans, join those that touch or overlap, and drop empty ones."""
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
    """Return the parts of a file of *size* bytes that are not in *spans*."""
    starts = [0, *(span.end for span in spans)]
    ends = [*(span.start for span in spans), size]
    return tuple(Span(start, end) for start, end in zip(starts, ends, strict=True) if start < end)


def prefix(spans: Spans) -> int:
    """Return the number of bytes from the beginning of the file without a gap."""
    return spans[0].end if spans and spans[0].start == 0 else 0


def total(spans: Iterable[Span]) -> int:
    """Return the number of bytes of spans that do not overlap."""
    return sum(span.end - span.start for span in spans)
