"""Scanned pages are read by a real model that sees, made for the test, and found by a search."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from ramalama.rag.index.index import Index
from tests.integration import model_hosts
from tests.integration.cli import PATIENCE, finish
from tests.integration.made_sight import COLORS, make_eye, make_picture
from tests.integration.test_abilities import TEMPLATE
from tests.unit.ramalama.rag.made_scans import raw, scanned

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from subprocess import Popen

    from tests.integration.cli import Cli
    from tests.lab.registry import Registry

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

ANY_TURN = "turn(message.role, message.content)"
# The model only knows this question; what remains of the request is the mark of the picture.
ITS_TURN = "turn(message.role, 'Which colour is this?' + message.content.split('.')[-1])"


@pytest.fixture
def eye(cli: Cli, registry: Registry, model: Path) -> str:
    """A pulled model that sees colours, whatever it is asked."""
    weights, template = model.read_bytes(), TEMPLATE.read_text()
    assert ANY_TURN in template
    own = template.replace(ANY_TURN, ITS_TURN).encode()
    more = {"mmproj": make_eye(weights), "chat.template.jinja": own}
    hosted = model_hosts.for_docker_model_runner(registry, weights, more)
    pulled = cli.run("pull", *hosted.options, hosted.reference)
    assert pulled.code == 0, pulled.err
    return hosted.reference


def found(path: Path, question: str) -> list[str]:
    with Index.open(path) as index:
        return [f"{each.uri.rpartition('/')[2]}: {each.text}" for each in index.search(question)]


def make_scan(cli: Cli) -> tuple[str, Path]:
    """Make a document of 12 pages of different sizes; return its place, and that of the index."""
    docs = cli.home / "docs"
    docs.mkdir()
    sizes = range(64, 64 + 12)
    pages = [[raw(bytes(COLORS["red"]), width=size, height=size)] for size in sizes]
    (docs / "scan.pdf").write_bytes(scanned(pages))
    return str(docs), cli.home / "docs.db"


def texts(path: Path) -> Mapping[int, bytes]:
    """Return the digests of the pictures that were read so far, in their order."""
    file = path.with_name(f".{path.name}.pages")
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        return dict(db.execute("SELECT id, digest FROM picture").fetchall())
    return {}


def until_read(path: Path, pages: int, process: Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(texts(path)) < pages:
        assert time.monotonic() < deadline
        assert process.poll() is None, "all was read before"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_after_a_signal_in_the_middle_no_page_is_read_again_and_nothing_is_left(
    cli: Cli, eye: str, number: signal.Signals
) -> None:
    docs, path = make_scan(cli)
    words = ("rag", "--embedding-model=none", f"--ocr-model={eye}", docs, str(path))

    with cli.start(*words) as process:
        until_read(path, 3, process)
        process.send_signal(number)
        ended = finish(process)
    before = texts(path)
    again = cli.run(*words)
    after = texts(path)
    cli.run("stop", "--all")

    assert ended.code == (130 if number == signal.SIGINT else -number)
    assert 3 <= len(before) < 12
    assert again.code == 0, again.err
    assert (len(after), before.items() <= after.items()) == (12, True)
    assert len(found(path, "red")) > 0
    assert sorted(each.name for each in cli.home.glob("*docs.db*")) == [".docs.db.pages", "docs.db"]
    assert cli.containers() == []


def test_a_server_that_is_killed_costs_a_page_which_the_next_command_reads(
    cli: Cli, eye: str
) -> None:
    docs, path = make_scan(cli)
    words = ("rag", "--embedding-model=none", f"--ocr-model={eye}", docs, str(path))

    with cli.start(*words) as process:
        until_read(path, 2, process)
        (server,) = cli.containers()
        with cli.service.client() as client:
            client.post(f"/containers/{server['Id']}/kill").raise_for_status()
        ended = finish(process)
    again = cli.run("rag", "update", str(path))
    cli.run("stop", "--all")

    assert ended.code == 0, ended.err
    assert "not read" in ended.err
    assert "went away" in ended.err
    assert (again.code, len(texts(path))) == (0, 12), again.err
    assert cli.containers() == []


def test_scanned_pages_are_read_once_and_found(cli: Cli, eye: str) -> None:
    docs, path = cli.home / "docs", cli.home / "docs.db"
    docs.mkdir()
    (docs / "scan.pdf").write_bytes(scanned([[raw(bytes(COLORS["red"]), width=64, height=64)]]))
    (docs / "sign.png").write_bytes(make_picture("blue"))

    made = cli.run("rag", "--embedding-model=none", f"--ocr-model={eye}", str(docs), str(path))
    told = json.loads(cli.run("rag", "info", "--json", str(path)).out)
    cli.run("stop", "--all")
    (docs / "more.md").write_text("# Weather\n\nIt rains.\n")
    updated = cli.run("rag", "update", str(path))
    running = cli.containers()

    assert (made.code, made.out) == (0, f"{path}\n"), made.err
    assert (told["pages_without_text"], told["ocr_model"]["model"]) == (0, eye)
    assert found(path, "red") == ["scan.pdf: It is red."]
    assert found(path, "blue") == ["sign.png: It is blue."]
    assert "(1 new)" in updated.err
    assert running == []  # no page was read again


def test_a_model_that_does_not_see_is_refused_before_anything_is_read(
    cli: Cli, model: Path
) -> None:
    docs, path = cli.home / "docs", cli.home / "docs.db"
    docs.mkdir()
    (docs / "a.md").write_text("# Weather\n\nIt rains.\n")

    done = cli.run("rag", "--embedding-model=none", f"--ocr-model={model}", str(docs), str(path))

    assert (done.code, "Indexing" in done.err) == (22, False)
    assert "cannot see pictures, so it cannot read scanned pages" in done.err
    assert not path.exists()
    assert cli.containers() == []
