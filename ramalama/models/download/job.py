"""One attempt to download a blob, as its threads share it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ramalama.models.download.partial import Saver
from ramalama.models.download.plan import Plan
from ramalama.models.download.response import ResponseValidator
from ramalama.models.download.source import Connections

if TYPE_CHECKING:
    from ramalama.models.download.journal import Journal
    from ramalama.models.download.limits import Limits
    from ramalama.models.download.partial import Partial
    from ramalama.models.download.source import Source
    from ramalama.models.download.values import RemoteBlob


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadMode:
    """How to request a blob: in parts or as a whole, and on how many connections at first."""

    ranges: bool
    streams: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The blob, its partial file, its source, and everything that the threads share."""

    blob: RemoteBlob
    partial: Partial
    source: Source
    mode: DownloadMode
    limits: Limits
    plan: Plan
    terms: ResponseValidator
    saver: Saver
    connections: Connections

    @classmethod
    def prepare(
        cls, blob: RemoteBlob, partial: Partial, source: Source, mode: DownloadMode, limits: Limits
    ) -> Self:
        """Continue with the content of *partial*, or begin anew; no request is sent yet."""
        journal = partial.find_journal()
        if journal is None or not _continues(journal, blob):
            partial.clear()
            journal = None
        size = journal.size if journal else blob.size
        plan = Plan(limits, size=size, written=journal.spans if journal else ())
        validator = journal.validator if journal else None
        terms = ResponseValidator(blob, validator=validator, ranges=mode.ranges)
        return cls(
            blob=blob,
            partial=partial,
            source=source,
            mode=mode,
            limits=limits,
            plan=plan,
            terms=terms,
            saver=Saver(plan, partial, terms, limits),
            connections=Connections(),
        )


def _continues(journal: Journal, blob: RemoteBlob) -> bool:
    """Return whether the bytes of a journal belong to the blob, as far as that can be known."""
    return (
        journal.identity == blob.identity
        and blob.size in {None, journal.size}
        and (blob.digest is not None or journal.validator is not None)
    )
