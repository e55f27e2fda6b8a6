"""What a person sees of a download, at a terminal and in a pipe."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from itertools import count

import pytest

from ramalama.cli.output.download_progress import TransferProgress
from ramalama.cli.output.terminal import Status
from ramalama.events import (
    DownloadEvent,
    DownloadPlanned,
    DownloadProgress,
    DownloadRetrying,
    DownloadWaiting,
    FileReady,
    ModelReady,
)

MB = 1_000_000
LINE = "\r\x1b[K"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def follow(*events: DownloadEvent, terminal: bool = True, quiet: bool = False) -> str:
    """Return what is written to stderr; a second passes between two events."""
    clock = count()
    with redirect_stderr(Terminal() if terminal else io.StringIO()) as stderr:
        status = Status(quiet=quiet)
        progress = TransferProgress(status, quiet=quiet, clock=lambda: float(next(clock)))
        for event in events:
            progress.follow(event)
    return stderr.getvalue()


def planned(*, missing: int | None = 10 * MB, files: int = 1) -> DownloadPlanned:
    return DownloadPlanned("hf://a/b", files=files, size=missing, missing=missing)


def moved(done: int, *, file: str = "a", total: int | None = 10 * MB) -> DownloadProgress:
    return DownloadProgress(file=file, done=done, total=total)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (planned(), "Pulling hf://a/b (1 file, 10.0 MB to fetch) …\n"),
        (planned(files=3), "Pulling hf://a/b (3 files, 10.0 MB to fetch) …\n"),
        (planned(missing=None), "Pulling hf://a/b (1 file) …\n"),
        (planned(missing=0, files=0), ""),
        (moved(MB), ""),
        (DownloadWaiting("a"), "Another process is downloading a; waiting for it …\n"),
        (DownloadRetrying("a", "it answers 503", 2.2), "a: it answers 503; trying again in 2 s\n"),
        (DownloadRetrying("a", "it has changed", 0.0), "a: it has changed; starting again\n"),
        (FileReady("a", 10 * MB), "Fetched a (10.0 MB)\n"),
        (ModelReady("hf://a/b"), ""),
    ],
)
def test_a_pipe_gets_a_line_for_what_lasts(event: DownloadEvent, line: str) -> None:
    assert follow(event, terminal=False) == line
    assert follow(event, terminal=False, quiet=True) == ""


def test_a_terminal_shows_share_size_speed_and_the_time_left_in_one_line() -> None:
    shown = follow(planned(), moved(0), moved(MB), moved(4 * MB)).split(LINE)

    assert shown == [
        "Pulling hf://a/b (1 file, 10.0 MB to fetch) …\n",
        "  0%  0 B of 10.0 MB",
        " 10%  1.00 MB of 10.0 MB, 1.00 MB/s, 9 s left",
        " 40%  4.00 MB of 10.0 MB, 2.00 MB/s, 3 s left",
    ]


def test_what_lay_on_the_disk_already_was_not_fetched_at_any_speed() -> None:
    shown = follow(planned(), moved(6 * MB), moved(7 * MB)).split(LINE)

    assert shown[-1] == " 70%  7.00 MB of 10.0 MB, 1.00 MB/s, 3 s left"


def test_the_files_of_a_model_are_one_download() -> None:
    events = [moved(2 * MB, file=file, total=5 * MB) for file in ("a", "b")]

    assert follow(planned(files=2), *events).split(LINE)[-1].startswith(" 40%  4.00 MB of 10.0 MB")


@pytest.mark.parametrize(
    ("total", "shown"), [(None, "2.00 MB, 1.00 MB/s"), (4 * MB, " 50%  2.00 MB of 4.00 MB, 1.00")]
)
def test_without_a_size_there_is_no_share(total: int | None, shown: str) -> None:
    events = (moved(MB, total=total), moved(2 * MB, total=total))

    assert follow(planned(missing=None), *events).split(LINE)[-1].startswith(shown)


def test_the_speed_is_that_of_the_last_seconds() -> None:
    events = [moved(MB * min(second, 3)) for second in range(12)]

    assert follow(planned(), *events).split(LINE)[-1] == " 30%  3.00 MB of 10.0 MB"


def test_a_message_takes_the_line_away_first_and_the_end_does_too() -> None:
    waiting = "Another process is downloading a; waiting for it …\n"

    assert follow(moved(MB), DownloadWaiting("a")).endswith(f"{LINE}{waiting}")
    assert follow(moved(MB), ModelReady("hf://a/b")).endswith(LINE)


def test_a_terminal_has_seen_a_file_grow_and_needs_no_line_for_its_end() -> None:
    assert follow(FileReady("a", MB)) == ""
