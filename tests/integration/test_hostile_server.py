"""A model server that sends without end: one clear error, little memory, and Ctrl-C ends it."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.integration.cli import PATIENCE
from tests.integration.person import Person, make_person
from tests.unit.chat.scripted_server import (
    Script,
    answer_json,
    chunk,
    event,
    serving,
    stream,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

MOST_MEMORY: Final = 150 * 1000 * 1000  # bytes
MOST_SECONDS: Final = 1.0  # from Ctrl-C to the end
MODELS: Final = answer_json({"data": [{"id": "tiny"}]})
HALF_A_MEBIBYTE: Final = b"a" * 512 * 1024


@dataclass(frozen=True)
class Unended:
    """Sends *begun*, then *piece* again and again."""

    begun: bytes
    piece: bytes = HALF_A_MEBIBYTE

    def __iter__(self) -> Iterator[bytes]:
        return chain([self.begun], repeat(self.piece))


def unended(head: str, begun: bytes, piece: bytes = HALF_A_MEBIBYTE) -> Unended:
    """Send *head* and *begun*, then *piece* again and again."""
    lines = f"HTTP/1.1 {head}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return Unended(lines + (chunk(begun) if begun else b""), chunk(piece))


def sse(begun: bytes, piece: bytes = HALF_A_MEBIBYTE) -> Unended:
    return unended("200 OK\r\nContent-Type: text/event-stream", begun, piece)


def said(**delta: object) -> bytes:
    return f"data: {json.dumps({'choices': [{'delta': delta}]})}\n\n".encode()


def whole(begun: bytes) -> Unended:
    return unended("200 OK\r\nContent-Type: application/json", begun)


BOMB: Final = gzip.compress(b"a" * 200_000_000)
CALL: Final = {"index": 0, "function": {"name": "f", "arguments": "a" * 1000}}

# What a server sends for the question, and how the error begins.
ENDS: Final[dict[str, tuple[Iterable[bytes], str]]] = {
    "refusal": (
        unended("500 No", b"oops "),
        "the server refused the request (HTTP 500): oops aaa",
    ),
    "refusal-in-json": (
        unended("500 No\r\nContent-Type: application/json", b'{"error": "oops '),
        'the server refused the request (HTTP 500): {"error": "oops aaa',
    ),
    "line": (sse(b""), "the server sent an event of more than 2,097,152 bytes"),
    "delta": (
        sse(b'data: {"choices": [{"delta": {"content": "'),
        "the server sent an event of more than 2,097,152 bytes",
    ),
    "event-of-many-lines": (
        sse(b"", b"data: aaaaaaaa\n" * 10_000),
        "the server sent an event of more than 2,097,152 bytes",
    ),
    "comments": (
        sse(b"", b": aaaaaaaa\n" * 10_000),
        "the server sent an event of more than 2,097,152 bytes",
    ),
    "object": (whole(b'{"choices": "'), "the server sent an answer of more than 2,097,152 bytes"),
    "page": (
        unended("200 OK\r\nContent-Type: text/html", b"<html>"),
        "the server sent an answer of more than 2,097,152 bytes",
    ),
    "header": (
        Unended(b"HTTP/1.1 200 OK\r\nX: "),
        "the server closed the connection, or sent data that is not HTTP",
    ),
    "headers": (
        Unended(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 10_000),
        "the server closed the connection, or sent data that is not HTTP",
    ),
    "trailers": (
        Unended(
            b"".join([*stream(event("a"), end=b"", whole=False), b"0\r\n"]), b"X: y\r\n" * 9999
        ),
        "the model server went away in the middle of the answer",
    ),
    "gzip": (
        [
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n",
            b"Content-Length: %d\r\n\r\n" % len(BOMB),
            BOMB,
        ],
        "the server compressed its answer, which was not asked for",
    ),
    "gzip-of-a-refusal": (
        [
            b"HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB),
            BOMB,
        ],
        "the server compressed its answer, which was not asked for",
    ),
}
# An answer of text has no end until it is as long as any model's context.
GOES_ON: Final[dict[str, Iterable[bytes]]] = {
    "short-deltas": sse(b"", said(content="ha")),
    "long-deltas": sse(b"", said(content="ha" * 200_000)),
    "thoughts": sse(b"", said(reasoning="ha") * 1000),
    "tool-calls": sse(b"", said(tool_calls=[CALL]) * 100),
    "nothing": sse(b"", said() * 1000),
    "empty-lines": sse(b"", b"\n" * 100_000),
    "100-continue": Unended(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
}


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return make_person(tmp_path)


@pytest.fixture
def script(tmp_path: Path) -> Generator[Script]:
    script = Script()
    with serving(tmp_path / "s.sock", script):
        yield script


class Watched:
    """A command whose memory is watched while it runs, and whose output is thrown away."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.peak = 0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def end(self) -> str:
        """Wait for the end, and return what it wrote to stderr."""
        assert self.process.stderr is not None
        err = self.process.stderr.read()
        self.process.wait(PATIENCE)
        self._thread.join()
        return err

    def _watch(self) -> None:
        """Note the most memory that the process has had; proc_pid_status(5)."""
        status = Path(f"/proc/{self.process.pid}/status")
        while self.process.poll() is None:
            with suppress(OSError):  # it has just ended
                if found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text()):
                    self.peak = int(found[1]) * 1024
            time.sleep(0.005)


@pytest.mark.parametrize("name", ENDS)
def test_an_answer_without_end_is_one_line_and_takes_little_memory(
    person: Person, script: Script, tmp_path: Path, name: str
) -> None:
    answer, complaint = ENDS[name]
    script.add(MODELS, answer)

    with person.start("chat", "--url", f"unix://{tmp_path}/s.sock", "Hi") as process:
        watched = Watched(process)
        err = watched.end()

    assert err.startswith(f"Error: {complaint}")
    assert (process.returncode, err.count("\n")) == (1, 1)
    assert watched.peak < MOST_MEMORY


@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, ()) for name in GOES_ON), ("short-deltas", ("--json",)), ("thoughts", ("--json",))],
)
def test_ctrl_c_ends_an_answer_that_goes_on(
    person: Person, script: Script, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    script.add(MODELS, GOES_ON[name])

    words = ("chat", "--url", f"unix://{tmp_path}/s.sock", *options, "Hi")
    with person.start(*words, stdout=subprocess.DEVNULL) as process:
        watched = Watched(process)
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        err = watched.end()

    assert (process.returncode, err) in [
        (130, ""),
        (1, "Error: the server sent an answer of more than 4,194,304 characters\n"),
    ]
    assert time.monotonic() - began < MOST_SECONDS
    assert watched.peak < MOST_MEMORY


def test_a_list_of_models_without_end_is_one_line(
    person: Person, script: Script, tmp_path: Path
) -> None:
    script.add(whole(b'{"data": [{"id": "'))

    with person.start("chat", "--url", f"unix://{tmp_path}/s.sock", "Hi") as process:
        watched = Watched(process)
        err = watched.end()

    assert err == "Error: the server sent an answer of more than 2,097,152 bytes\n"
    assert watched.peak < MOST_MEMORY
