"""When the journal is written, and who waits for it."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx2
import pytest

from ramalama.models.download.job import Saver
from ramalama.models.download.journal import Span
from ramalama.models.download.partial import Partial
from ramalama.models.download.plan import Plan, Stopped
from ramalama.models.download.response import ResponseValidator
from ramalama.models.download.values import Location, RemoteBlob
from tests.unit.ramalama.models.download.kit import KIB, SMALL, digest_of

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama.models.download.journal import Journal


class Recorder(Partial):
    """A partial file into which more bytes come while it is synced."""

    def __init__(self, directory: Path, plan: Plan) -> None:
        super().__init__(directory, "key")
        self.did: list[object] = []
        self._plan = plan

    def sync(self) -> None:
        super().sync()
        self.did.append("sync")
        piece = self._plan.take()
        assert piece is not None
        self._plan.advance(piece, 5)
        self._plan.put_back(piece)

    def write_journal(self, found: Journal) -> None:
        super().write_journal(found)
        self.did.append(found.spans)


@pytest.fixture
def terms() -> Generator[ResponseValidator]:
    with httpx2.Client() as client:
        blob = RemoteBlob(
            name="blob",
            identity="sha256:00",
            size=1024 * KIB,
            digest=digest_of(b""),
            locate=lambda: Location(url=""),
            client=client,
        )
        yield ResponseValidator(blob, validator=None, ranges=True)


def wait_for_journal(partial: Partial) -> Journal:
    latest = time.monotonic() + 20
    while (journal := partial.find_journal()) is None:
        assert time.monotonic() < latest
        time.sleep(0.001)
    return journal


def test_a_journal_names_only_what_was_on_the_disk_before_it(
    tmp_path: Path, terms: ResponseValidator
) -> None:
    plan = Plan(SMALL, size=1024 * KIB, written=(Span(0, 40),))
    recorder = Recorder(tmp_path, plan)
    Saver(plan, recorder, terms, SMALL).save()
    recorder.close()

    assert recorder.did == ["sync", (Span(0, 40),)]
    assert plan.spans() == (Span(0, 45),)


@pytest.mark.parametrize(("unsaved", "waits"), [(SMALL.unsaved - 1, False), (SMALL.unsaved, True)])
def test_streams_wait_when_a_crash_would_cost_too_much(
    partial: Partial, terms: ResponseValidator, unsaved: int, *, waits: bool
) -> None:
    plan = Plan(replace(SMALL, parallel_from=2**40), size=1024 * KIB)
    saver = Saver(plan, partial, terms, SMALL)
    piece = plan.take()
    assert piece is not None
    plan.advance(piece, unsaved)
    plan.stop()

    with pytest.raises(Stopped) if waits else nullcontext():
        saver.wait_for_room()


def test_streams_go_on_when_the_journal_has_been_written(
    partial: Partial, terms: ResponseValidator
) -> None:
    plan = Plan(replace(SMALL, parallel_from=2**40), size=1024 * KIB)
    saver = Saver(plan, partial, terms, SMALL)
    piece = plan.take()
    assert piece is not None
    plan.advance(piece, SMALL.unsaved)
    went_on: list[int] = []

    def stream() -> None:
        saver.wait_for_room()
        went_on.append(1)

    thread = threading.Thread(target=stream, daemon=True)
    thread.start()
    saver.save()
    thread.join(20)

    assert went_on == [1]


def test_the_journal_is_written_after_so_many_bytes(
    partial: Partial, terms: ResponseValidator
) -> None:
    limits = replace(SMALL, parallel_from=2**40, save_every=1000.0)
    plan = Plan(limits, size=1024 * KIB)
    partial.reserve(1024 * KIB)
    thread = threading.Thread(target=Saver(plan, partial, terms, limits).run, daemon=True)
    thread.start()
    piece = plan.take()
    assert piece is not None
    plan.advance(piece, limits.save_after)
    journal = wait_for_journal(partial)
    plan.advance(piece, 1024 * KIB)
    thread.join(20)

    assert journal.spans == (Span(0, limits.save_after),)


def test_the_journal_is_written_after_so_many_seconds(
    partial: Partial, terms: ResponseValidator
) -> None:
    limits = replace(SMALL, parallel_from=2**40, save_every=0.001)
    plan = Plan(limits, size=1024 * KIB)
    partial.reserve(1024 * KIB)
    thread = threading.Thread(target=Saver(plan, partial, terms, limits).run, daemon=True)
    piece = plan.take()
    assert piece is not None
    plan.advance(piece, 1)
    thread.start()
    journal = wait_for_journal(partial)
    plan.advance(piece, 1024 * KIB)
    thread.join(20)

    assert journal.spans == (Span(0, 1),)
