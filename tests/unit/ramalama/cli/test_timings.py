"""Where the time goes."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from ramalama.cli.output.timings import Timings
from ramalama.events import (
    ContainerCreated,
    ContainerStarted,
    EngineConnected,
    ImageReady,
    Notice,
    ServerReady,
)

if TYPE_CHECKING:
    from collections.abc import Generator

Capture = pytest.CaptureFixture[str]
ROW = re.compile(r" *(\d+) ms  \+ *(\d+)  (.+)")


def report(timings: Timings, capsys: Capture) -> list[tuple[int, int, str]]:
    timings.report()
    said = capsys.readouterr()
    assert said.out == ""
    rows = [ROW.fullmatch(line) for line in said.err.splitlines()]
    return [(int(row[1]), int(row[2]), row[3]) for row in rows if row]


def test_each_milestone_is_a_line_with_the_time_since_the_one_before(capsys: Capture) -> None:
    timings = Timings()
    for event in (
        EngineConnected("podman", "unix:///x"),
        ImageReady("img"),
        Notice("no milestone"),
        ContainerCreated("1", "c"),
        ContainerStarted("1"),
        ServerReady("1"),
    ):
        timings.note(event)

    rows = report(timings, capsys)

    assert [name for _, _, name in rows] == [
        "command line read",
        "engine answered",
        "image ready",
        "container created",
        "container started",
        "model loaded",
    ]
    at = [row[0] for row in rows]
    assert at == sorted(at)
    assert abs(sum(row[1] for row in rows) - at[-1]) <= len(rows)


def test_the_clock_begins_with_the_process_and_not_with_us(capsys: Capture) -> None:
    began = report(Timings(), capsys)[0][0]

    assert began > time.process_time() * 100  # this process has run for a while already


def test_a_milestone_counts_the_first_time_only(capsys: Capture) -> None:
    timings = Timings()

    timings.mark("there")
    timings.mark("there")

    assert [name for _, _, name in report(timings, capsys)] == ["command line read", "there"]


def test_the_first_piece_of_an_answer_is_a_milestone_and_all_pieces_pass(capsys: Capture) -> None:
    closed: list[bool] = []

    def pieces() -> Generator[str, None, None]:
        try:
            yield "one"
            yield "two"
        finally:
            closed.append(True)

    timings = Timings()

    heard = timings.watch_first(pieces())

    assert next(heard) == "one"
    heard.close()
    assert closed == [True]
    assert report(timings, capsys)[-1][2] == "first token"
