"""`ramalama pull` as a process among others: watched, interrupted, killed, and two at once."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.models.download.journal import Journal
from tests.doubles.faults import faulty, slow, stall
from tests.doubles.oci_models import RAW_LABEL, digest, make_image, make_tar
from tests.doubles.oci_registry import publish
from tests.doubles.server import FileServer, serve_bytes
from tests.integration import model_hosts
from tests.integration.cli import PATIENCE, Done, before, eventually, exit_code, finish
from tests.integration.model_hosts import Hosted
from tests.integration.person import Person, make_person
from tests.unit.ramalama.models.formats.made_gguf import gguf, string

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from subprocess import Popen

    from tests.doubles.server import Reply, Request, Route

pytestmark = pytest.mark.engines

MIB = 1024 * 1024
PATH = "/files/smollm2.gguf"
CONTENT = gguf({"general.name": string("made up")}) + hashlib.shake_128(b"").digest(3 * MIB)


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer({PATH: serve_bytes(CONTENT)}) as running_server:
        yield running_server


@pytest.fixture
def url(server: FileServer) -> str:
    return server.url + PATH


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return make_person(tmp_path)


def content_of(person: Person, reference: str) -> bytes:
    done = person.run("inspect", "--json", reference)
    assert done.code == 0, done.err
    return Path(json.loads(done.out)["Path"]).read_bytes()


def bytes_kept(person: Person) -> int:
    """Return how many bytes of a model that was begun are written down as there."""
    return sum(
        span.end - span.start
        for path in person.store.glob("cas/partial/*.json")
        for span in Journal.parse(path.read_bytes()).spans
    )


def first_bytes_asked_for(requests: list[Request]) -> list[int]:
    """Return where each request for content begins; those that only look at it do not count."""
    ranges = (request.headers.get("range", "bytes=0-") for request in requests)
    return [int(each[6:].partition("-")[0]) for each in ranges if each != "bytes=0-3"]


def test_a_terminal_shows_how_far_it_is_how_fast_and_how_long_it_takes(
    person: Person, server: FileServer, url: str
) -> None:
    server.routes[PATH] = faulty(serve_bytes(CONTENT), slow(2 * MIB))

    child = person.terminal("pull", url)
    child.expect(r"\r\x1b\[K *[0-9]+%  [0-9.]+ [kM]B of 3\.15 MB, [0-9.]+ [kM]B/s, [0-9] s left")

    assert exit_code(child) == 0
    assert before(child).endswith(f"\r\x1b[K{url}\r\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "Pulling {} (1 file, 3.15 MB to fetch) …\nFetched smollm2.gguf (3.15 MB)\n"),
        (["--quiet"], ""),
    ],
)
def test_a_pipe_gets_lines_and_nothing_that_moves_a_cursor(
    person: Person, url: str, options: list[str], said: str
) -> None:
    done = person.run("pull", *options, url)

    assert done == Done(code=0, out=f"{url}\n", err=said.format(url))


def test_a_quiet_terminal_shows_the_reference_alone(person: Person, url: str) -> None:
    child = person.terminal("pull", "-q", url)

    assert exit_code(child) == 0
    assert before(child) == f"{url}\r\n"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_what_came_before_a_signal_is_kept_listed_and_not_fetched_again(
    person: Person, server: FileServer, url: str, number: signal.Signals, code: int
) -> None:
    server.routes[PATH] = faulty(serve_bytes(CONTENT), stall(MIB))
    child = person.terminal("pull", url)
    child.expect(" 33%")
    child.kill(number)

    assert exit_code(child) == code
    assert before(child).endswith("\r\x1b[K")

    asked = len(server.requests)
    server.routes[PATH] = serve_bytes(CONTENT)
    listed = person.run("list", "--all", "--noheading")
    done = person.run("pull", "-q", url)

    assert re.fullmatch(rf" *{re.escape(url)} \(partial\) .* 1\.00 MB\n", listed.out)
    assert done == Done(code=0, out=f"{url}\n")
    assert first_bytes_asked_for(server.requests[asked:]) == [MIB]
    assert content_of(person, url) == CONTENT


def test_ctrl_c_at_a_terminal_ends_it_at_once(person: Person, server: FileServer, url: str) -> None:
    server.routes[PATH] = faulty(serve_bytes(CONTENT), stall(MIB))
    child = person.terminal("pull", url)
    child.expect(" 33%")
    child.sendintr()

    assert exit_code(child) == 130


def test_kill_9_costs_what_was_not_yet_written_down(person: Person, server: FileServer) -> None:
    content = CONTENT + bytes(48 * MIB)
    server.routes[PATH] = faulty(serve_bytes(content), stall(47 * MIB))
    with person.start("pull", "-q", server.url + PATH) as process:
        eventually(lambda: bytes_kept(person) >= 32 * MIB)
        process.kill()
        process.wait()
    kept, asked = bytes_kept(person), len(server.requests)
    server.routes[PATH] = serve_bytes(content)

    done = person.run("pull", "-q", server.url + PATH)

    assert done == Done(code=0, out=f"{server.url + PATH}\n")
    assert kept >= 32 * MIB
    assert first_bytes_asked_for(server.requests[asked:]) == [kept]
    assert content_of(person, server.url + PATH) == content


class Gate:
    """Holds requests for some of a content until it is open."""

    def __init__(self) -> None:
        self._open = threading.Event()

    def before(self, route: Route) -> Route:
        def answer(request: Request) -> Reply:
            assert not first_bytes_asked_for([request]) or self._open.wait(PATIENCE)
            return route(request)

        return answer

    def open(self) -> None:
        self._open.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A model whose content, at *path*, comes when its *gate* is open."""

    hosted: Hosted
    path: str
    gate: Gate


def held_by_a_web_server(server: FileServer) -> Held:
    gate = Gate()
    server.routes[PATH] = gate.before(serve_bytes(CONTENT))
    return Held(hosted=Hosted(reference=server.url + PATH), path=PATH, gate=gate)


def held_by_a_server_that_tells_no_version(server: FileServer) -> Held:
    held = held_by_a_web_server(server)
    server.routes[PATH] = held.gate.before(serve_bytes(CONTENT, etag=None))
    return held


def held_by_hugging_face(server: FileServer) -> Held:
    hosted, gate = model_hosts.at_hugging_face(server, {"made-up-Q4_0.gguf": CONTENT}), Gate()
    server.routes["/"] = gate.before(server.routes["/"])
    return Held(hosted=hosted, path=f"/cdn-lfs/{hashlib.sha256(CONTENT).hexdigest()}", gate=gate)


def held_by_a_registry(server: FileServer) -> Held:
    layer, gate = make_tar({"models/made-up/made-up.gguf": CONTENT}), Gate()
    publish(server, "made/up", "1", make_image(layer, labels=RAW_LABEL))
    path = f"/v2/made/up/blobs/{digest(layer)}"
    server.routes[path] = gate.before(server.routes[path])
    reference = f"oci://{server.url.partition('://')[2]}/made/up:1"
    return Held(
        hosted=Hosted(reference=reference, options=("--tls-verify=false",)), path=path, gate=gate
    )


HOLDERS = [
    held_by_a_web_server,
    held_by_a_server_that_tells_no_version,
    held_by_hugging_face,
    held_by_a_registry,
]


@contextmanager
def two_pulls(person: Person, hosted: Hosted) -> Generator[tuple[Popen[str], Popen[str]]]:
    """Start two pulls of a model, of which the second waits for the first."""
    words = ("pull", *hosted.options, hosted.reference)
    with person.start(*words) as first:
        assert first.stderr is not None
        assert first.stderr.readline().startswith(f"Pulling {hosted.reference} (1 file")
        with person.start(*words) as second:
            assert second.stderr is not None
            waiting = f"Another process is downloading {hosted.reference}; waiting for it …\n"
            assert second.stderr.readline() == waiting
            yield first, second


@pytest.mark.parametrize("hold", HOLDERS)
def test_two_pulls_at_once_are_one_download(
    person: Person, server: FileServer, hold: Callable[[FileServer], Held]
) -> None:
    held = hold(server)
    person, reference = person.having(**held.hosted.env), held.hosted.reference
    with two_pulls(person, held.hosted) as (first, second):
        held.gate.open()
        ends = [finish(first), finish(second)]

    assert [(end.code, end.out) for end in ends] == [(0, f"{reference}\n")] * 2
    assert first_bytes_asked_for(server.asked(held.path)) == [0]
    assert content_of(person, reference) == CONTENT


def test_who_waits_for_a_pull_that_is_killed_goes_on_with_it(
    person: Person, server: FileServer, url: str
) -> None:
    held = held_by_a_web_server(server)
    with two_pulls(person, held.hosted) as (first, second):
        first.kill()
        held.gate.open()
        done = finish(second)

    assert (done.code, done.out) == (0, f"{url}\n")
    assert content_of(person, url) == CONTENT


def test_who_waits_can_be_interrupted(person: Person, server: FileServer) -> None:
    held = held_by_a_web_server(server)
    with two_pulls(person, held.hosted) as (first, second):
        second.send_signal(signal.SIGINT)
        done = finish(second)
        held.gate.open()
        first_done = finish(first)

    assert done == Done(code=130)
    assert first_done.code == 0
