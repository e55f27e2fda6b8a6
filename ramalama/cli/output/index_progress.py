"""Show how an index of documents is made: one changing line on a terminal, and what came of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, assert_never

from ramalama.cli.output.terminal import Status, print_error
from ramalama.events import IndexPlanned, IndexProgress, IndexWriting, Notice
from ramalama.units import human_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ramalama.events import IndexEvent
    from ramalama.rag.build import BuildReport

_EXAMPLES = 3  # names of skipped documents
_LONGEST = 120  # characters of the changing line


class BuildProgress:
    """Shows the events of a build on stderr; *clock* returns seconds."""

    def __init__(self, *, quiet: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet = quiet
        self._clock = clock
        self._began = clock()
        self._status = Status(quiet=quiet)

    def follow(self, event: IndexEvent) -> None:
        """Show one event."""
        match event:
            case IndexPlanned():
                self._began = self._clock()
                self._print(f"Indexing {counted(event.documents, 'document')} …")
            case IndexProgress():
                self._status.show(self._line(event)[:_LONGEST])
            case IndexWriting():
                self._status.show("Writing the index …")
            case Notice():
                self._print(f"Notice: {event.message}")
            case _:
                assert_never(event)

    def clear(self) -> None:
        """Remove the changing line."""
        self._status.clear()

    def _line(self, event: IndexProgress) -> str:
        done = event.embedded or event.chunks
        seconds = self._clock() - self._began
        rate = f", {done / seconds:.0f}/s" if done and seconds > 0 else ""
        if event.page:
            return (
                f"{event.done + 1} of {counted(event.documents, 'document')}, reading scanned page"
                f" {event.page} of {event.pages}  {event.uri}"
            )
        return (
            f"{event.done + 1} of {counted(event.documents, 'document')},"
            f" {counted(event.chunks, 'new chunk')}{rate}  {event.uri}"
        )

    def _print(self, text: str) -> None:
        if not self._quiet:
            self._status.clear()
            print_error(text)


def summary(report: BuildReport, shown: str) -> Iterator[str]:
    """Yield lines that say what a build has done, and what it has left out."""
    meta = report.meta
    changes = [
        f"{number} {word}"
        for number, word in (
            (report.new, "new"),
            (report.changed, "changed"),
            (report.removed, "removed"),
        )
        if number
    ]
    yield (
        f"{shown}: {counted(meta.documents, 'document')}, {counted(meta.chunks, 'chunk')},"
        f" {human_size(report.size)} ({', '.join(changes) or 'nothing has changed'})"
    )
    yield from _grouped(report.skipped, "left out")
    yield from _grouped(report.kept, "kept as it was")
    yield from _grouped(report.unread, "not read")
    pages = sum(report.scanned.values())
    if pages and meta.ocr is None:
        names, seem = _examples(list(report.scanned)), "seems" if pages == 1 else "seem"
        yield (
            f"{counted(pages, 'page')} without text, which {seem} to be scanned, in {names}:"
            " a model can read them (--ocr-model)"
        )
    if meta.without_vector:
        chunks = counted(meta.without_vector, "chunk")
        yield f"The embedding model refused {chunks}, which can be found by their words only"
    if meta.embedder is None:
        yield "Without an embedding model, the index is searched by words only, not by meaning"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 chunk``, ``3,412 chunks``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _grouped(pairs: Sequence[tuple[str, str]], what: str) -> Iterator[str]:
    """Yield a line for each reason; *pairs* are URIs and reasons that continue a sentence."""
    by_reason: dict[str, list[str]] = {}
    for uri, reason in pairs:
        by_reason.setdefault(reason, []).append(uri)
    for reason, uris in by_reason.items():
        each = "it" if len(uris) == 1 else "each"
        yield f"{what.capitalize()}: {_examples(uris)} ({each} {reason})"


def _examples(names: Sequence[str]) -> str:
    more = len(names) - _EXAMPLES
    shown = ", ".join(names[:_EXAMPLES])
    return f"{shown} and {counted(more, 'other')}" if more > 0 else shown
