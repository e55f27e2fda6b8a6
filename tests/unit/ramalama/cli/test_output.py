"""What reaches the terminal."""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stderr

import pytest

from ramalama.cli.output.start_progress import StartProgress
from ramalama.cli.output.terminal import Status, print_error, quote_log
from ramalama.events import (
    ContainerCreated,
    ContainerStarted,
    EngineConnected,
    ImagePulling,
    ImageReady,
    IndexPlanned,
    IndexWriting,
    Notice,
    ServerReady,
    UploadPlanned,
    UploadProgress,
)
from ramalama_engines import PullProgress

Capture = pytest.CaptureFixture[str]


def test_lines_of_a_complaint_stay_lines(capsys: Capture) -> None:
    print_error("Error: two\nlines \u202eevil")

    assert capsys.readouterr().err == "Error: two\nlines \\u202eevil\n"


def test_complaints_go_to_stderr_a_line_each(capsys: Capture) -> None:
    print_error("Error: no \x1b[31mred\x1b[0m")
    quote_log(["first", "sec\x07ond"])

    assert capsys.readouterr() == (
        "",
        "Error: no \\x1b[31mred\\x1b[0m\n  | first\n  | sec\\x07ond\n",
    )


@pytest.mark.parametrize("char", ["x", "\x1b", "\U000e0041"])
def test_a_long_line_of_a_log_is_cut_off(capsys: Capture, char: str) -> None:
    quote_log([char * 65536])

    (line,) = capsys.readouterr().err.splitlines()
    assert (len(line), line[-1]) == (505, "…")


def test_a_line_that_just_fits_is_whole(capsys: Capture) -> None:
    quote_log(["x" * 500])

    assert capsys.readouterr().err == f"  | {'x' * 500}\n"


def test_a_terminal_that_is_gone_is_nobody_to_complain_to(monkeypatch: pytest.MonkeyPatch) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with open(write_end, "w", encoding="utf-8", buffering=1) as gone:  # noqa: PTH123 (a descriptor)
        monkeypatch.setattr(sys, "stderr", gone)

        print_error("Error: nobody hears this")
        os.dup2(os.open(os.devnull, os.O_WRONLY), write_end)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_status_line_replaces_itself_and_vanishes() -> None:
    with redirect_stderr(Terminal()) as terminal:
        status = Status(quiet=False)
        status.show("one")
        status.show("tw\x07o")
        status.clear()
        status.clear()

    assert terminal.getvalue() == "\r\x1b[Kone\r\x1b[Ktw\\x07o\r\x1b[K"


def test_a_quiet_status_line_shows_nothing() -> None:
    with redirect_stderr(Terminal()) as terminal:
        status = Status(quiet=True)
        status.show("one")
        status.clear()

    assert terminal.getvalue() == ""


START = (
    EngineConnected("podman", "unix:///x"),
    ImagePulling("img", PullProgress(layer="a", status="Downloading", current=0, total=1024)),
    ImagePulling("img", PullProgress(layer="a", status="Downloading", current=1024, total=1024)),
    ImageReady("img"),
    ContainerCreated("1", "c"),
    ContainerStarted("1"),
    Notice("something"),
    ServerReady("1"),
)


def follow(*, quiet: bool) -> None:
    progress = StartProgress(quiet=quiet)
    for event in START:
        progress.follow(event)


def test_without_a_terminal_a_start_writes_a_few_lasting_lines(capsys: Capture) -> None:
    follow(quiet=False)

    assert capsys.readouterr() == ("", "Pulling img …\nPulled img\nNotice: something\n")


def test_a_notice_after_documents_were_indexed_stands_on_a_line_of_its_own() -> None:
    with redirect_stderr(Terminal()) as terminal:
        progress = StartProgress(quiet=False)
        progress.follow(IndexPlanned(1))
        progress.follow(IndexWriting(1))
        progress.follow(Notice("something"))

    assert terminal.getvalue().endswith("Writing the index …\r\x1b[KNotice: something\n")


def test_an_image_that_was_not_pulled_is_not_said_to_be_pulled(capsys: Capture) -> None:
    progress = StartProgress(quiet=False)
    progress.follow(ImagePulling("documents", PullProgress(layer="a", status="Downloading")))
    progress.follow(ImageReady("img"))

    assert capsys.readouterr().err == "Pulling documents …\n"


def test_each_image_that_is_pulled_is_announced(capsys: Capture) -> None:
    progress = StartProgress(quiet=False)
    for image in ("documents", "img"):
        progress.follow(ImagePulling(image, PullProgress(layer="a", status="Downloading")))
    progress.follow(ImageReady("img"))

    assert capsys.readouterr().err == "Pulling documents …\nPulling img …\nPulled img\n"


def test_a_quiet_start_says_nothing(capsys: Capture) -> None:
    with redirect_stderr(Terminal()) as terminal:
        follow(quiet=True)

    assert terminal.getvalue() == ""
    assert capsys.readouterr() == ("", "")


def test_a_start_without_a_pull_writes_nothing_that_lasts(capsys: Capture) -> None:
    progress = StartProgress(quiet=False)

    for event in (START[0], *START[3:6], START[7]):
        progress.follow(event)

    assert capsys.readouterr() == ("", "")


def test_a_start_elsewhere_names_the_host_and_what_is_done_with_the_model() -> None:
    with redirect_stderr(Terminal()) as terminal:
        progress = StartProgress(quiet=False)
        progress.follow(EngineConnected("podman", "ssh://me@gpu:22/run/podman.sock"))
        progress.follow(UploadPlanned("me@gpu", 1, 4000, 2000))
        progress.follow(UploadProgress("m.gguf", 2000, 4000))
        progress.follow(UploadProgress("m.gguf", 4000, 4000))

    shown = terminal.getvalue().split("\r\x1b[K")
    assert shown == [
        "",
        "Starting a container with podman on gpu …",
        "Sending the model to me@gpu: 2.00 kB …\n",
        "Sending the model:  50%  2.00 kB of 4.00 kB",
        "Verifying what has arrived of the model …",
    ]


def test_on_a_terminal_the_progress_of_all_layers_is_one_line_that_vanishes() -> None:
    mib = 1024 * 1024
    with redirect_stderr(Terminal()) as terminal:
        progress = StartProgress(quiet=False)
        for layer in ("a", "b"):
            step = PullProgress(layer=layer, status="Downloading", current=mib, total=4 * mib)
            progress.follow(ImagePulling("img", step))
        progress.clear()

    shown = terminal.getvalue()
    assert "Pulling img: 2 of 8 MiB Downloading" in shown
    assert shown.endswith("\r\x1b[K")
