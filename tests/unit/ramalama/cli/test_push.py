"""`ramalama push`, to a registry in memory, and what a person sees of it."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING

import pytest

from ramalama.cli import main
from ramalama.cli.output.push_progress import PushProgress
from ramalama.events import UploadPlanned, UploadProgress, UploadRetrying
from tests.doubles.server import FileServer
from tests.doubles.writable_registry import WritableRegistry

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama.events import UploadEvent

Capture = pytest.CaptureFixture[str]

GGUF = b"GGUF\x03\0\0\0" + bytes(16)
REFERENCE = r"oci://127\.0\.0\.1:[0-9]+/me/tiny@sha256:[0-9a-f]{64}\n"
VARIABLES = ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "RAMALAMA_CONFIG", "RAMALAMA_TLS_VERIFY")


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user without any settings, logins or models."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("RAMALAMA_STORE", str(tmp_path / "store"))


@pytest.fixture
def registry() -> Generator[WritableRegistry]:
    with FileServer() as server:
        yield WritableRegistry(server)


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(GGUF)
    return str(file)


def push(capsys: Capture, registry: WritableRegistry, *words: str) -> tuple[int, str, str]:
    target = f"oci://{registry.address}/me/tiny:1"
    code = main(["push", "--tls-verify=false", *words, target])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ([], "vnd.oci.image.config"),
        (["--type", "raw", "--network", "none"], "vnd.oci.image.config"),
        (["--type=artifact", "--carimage=x"], "vnd.cncf.model.config"),
    ],
)
def test_a_push_prints_what_is_there_now(
    capsys: Capture, registry: WritableRegistry, tiny: str, words: list[str], kind: str
) -> None:
    code, out, err = push(capsys, registry, *words, tiny)
    again = push(capsys, registry, "-q", *words, tiny)

    assert code == 0
    assert re.fullmatch(REFERENCE, out)
    assert re.fullmatch(r"Pushing \S+/me/tiny:1 \(.* of .* to send\) …\n", err)
    assert again == (0, out, "")
    assert kind.encode() in registry.manifests["me/tiny", "1"][1]


EVENTS: list[UploadEvent] = [
    UploadPlanned("r/m:1", 2, 100_000_000, 98_400_000),
    UploadProgress("tiny.gguf", 49_200_000, 98_400_000),
    UploadRetrying("tiny.gguf", "r hung\x1b up", 2.4),
    UploadProgress("empty", 0, 0),
    UploadPlanned("r/m:1", 0, 100_000_000, 0),
]


def test_a_log_file_gets_a_line_for_what_matters(capsys: Capture) -> None:
    progress = PushProgress(quiet=False)
    progress.begin()
    for event in EVENTS:
        progress.follow(event)
    progress.clear()

    assert capsys.readouterr().err == (
        "Pushing r/m:1 (98.4 MB of 100 MB to send) …\n"
        "tiny.gguf: r hung\\x1b up; trying again in 2 s\n"
        "r/m:1: the registry has all files already\n"
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_line_that_changes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = PushProgress(quiet=False)
    progress.begin()
    for event in EVENTS[1:2]:
        progress.follow(event)
    progress.clear()

    assert terminal.getvalue().split("\r\x1b[K") == [
        "",
        "Reading the model …",
        " 50%  49.2 MB of 98.4 MB  tiny.gguf",
        "",
    ]


def test_the_quiet_say_nothing(capsys: Capture) -> None:
    progress = PushProgress(quiet=True)
    progress.begin()
    for event in EVENTS:
        progress.follow(event)

    assert capsys.readouterr().err == ""
