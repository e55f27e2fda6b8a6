"""The journal of a partial file, which makes it possible to continue a download.

    {"version": 1, "identity": "sha256:…", "size": 98362432, "validator": null,
     "spans": [[0, 67108864], [83886080, 84934656]]}

A journal lists only what is safely on the disk: the bytes of *spans* are written before the journal
is. If the journal belongs to another blob, is damaged or contradicts itself, the download begins
anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

from ramalama_values.json import is_object, parse_json

_VERSION = 1
LARGEST = 1024 * 1024
"""The most bytes of a journal; a longer file is not a journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """The downloaded part of a blob.

    Attributes:
        identity: see `RemoteBlob`.
        size: of the whole blob, in bytes.
        validator: the ETag or date that the server sent with these bytes; None if the digest
            decides whether bytes belong together.
    """

    identity: str
    size: int
    validator: str | None
    spans: Spans

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Parse the output of `format`.

        Raises:
            ValueError: *content* is something else, or contradicts itself.
        """
        value = parse_json(content)
        fields = value if is_object(value) else {}
        match [fields.get(name) for name in ("version", "identity", "size", "validator")]:
            case [1, str(identity), int(size), str() | None as validator]:
                spans = _parse_spans(fields.get("spans"))
            case _:
                msg = "this is not a journal"
                raise ValueError(msg)
        journal = cls(identity=identity, size=size, validator=validator, spans=spans)
        if not journal.makes_sense:
            msg = "this journal contradicts itself"
            raise ValueError(msg)
        return journal

    @property
    def makes_sense(self) -> bool:
        """Whether the spans lie within the file, are in order, and do not touch each other."""
        ends = [0, *(end for span in self.spans for end in span), self.size]
        return sorted(ends) == ends and joined(self.spans) == self.spans

    def format(self) -> bytes:
        """Return the journal as JSON."""
        fields = {
            "version": _VERSION,
            "identity": self.identity,
            "size": self.size,
            "validator": self.validator,
            "spans": self.spans,
        }
        return json.dumps(fields).encode()


def _parse_spans(value: object) -> Spans:
    match value:
        case list():
            return tuple(_parse_span(row) for row in cast("list[object]", value))
        case _:
            msg = "a journal's spans are not a list"
            raise ValueError(msg)


def _parse_span(row: object) -> Span:
    match row:
        case [int(start), int(end)] if not (isinstance(start, bool) or isinstance(end, bool)):
            return Span(start, end)
        case _:
            msg = "a journal's span is not two numbers"
            raise ValueError(msg)


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
