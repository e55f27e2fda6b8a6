"""What is written down of a partial file, so that it can be continued.

    {"version": 1, "identity": "sha256:…", "size": 98362432, "validator": null,
     "spans": [[0, 67108864], [83886080, 84934656]]}

A journal says only what is on the disk already: the bytes of *spans* were there, durably, before it
was. Whoever finds another's, a damaged or an absurd one starts over.
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
"""Bytes of a journal; a longer one is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What came of a blob.

    Attributes:
        identity: as `RemoteBlob` has it.
        size: of all of the blob, in bytes.
        validator: the ETag or the date that the server gave these bytes; None where the digest
            tells whether bytes belong together.
    """

    identity: str
    size: int
    validator: str | None
    spans: Spans

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read what `format` wrote.

        Raises:
            ValueError: it is something else, or makes no sense.
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
        """Whether its spans are parts of such a file, in order and apart from each other."""
        ends = [0, *(end for span in self.spans for end in span), self.size]
        return sorted(ends) == ends and joined(self.spans) == self.spans

    def format(self) -> bytes:
        """Write it as JSON."""
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
