"""What `list`, `inspect`, `rm` and `gc` make of what was pulled, by hand and in scripts."""

from __future__ import annotations

import hashlib
import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.doubles.faults import faulty, stall
from tests.doubles.hub import HuggingFace
from tests.doubles.oci_models import RAW_LABEL, make_image, make_tar
from tests.doubles.oci_registry import publish
from tests.doubles.server import FileServer, serve_bytes
from tests.integration import model_hosts
from tests.integration.cli import RAMALAMA, Done, exit_code
from tests.integration.person import Person, make_person
from tests.unit.ramalama.models.formats.made_gguf import gguf, string

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.engines

MIB = 1024 * 1024
CONTENT = gguf({"general.name": string("made up")}) + hashlib.shake_128(b"").digest(3 * MIB)
SIZE = len(CONTENT)


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer() as running_server:
        yield running_server


@pytest.fixture
def person(tmp_path: Path) -> Person:
    somebody = make_person(tmp_path)
    return somebody.having(PATH=f"{Path(RAMALAMA).parent}:{somebody.env['PATH']}")


@pytest.fixture
def owner(person: Person, server: FileServer) -> Person:
    """Somebody who has pulled the same content from four kinds of places."""
    files = {"made-up-Q4_0.gguf": CONTENT}
    layer = make_tar({"models/made-up/made-up.gguf": CONTENT})
    publish(server, "acme/made-up", "1", make_image(layer, labels=RAW_LABEL))
    hosts = (
        model_hosts.at_web_server(server, CONTENT),
        model_hosts.at_hugging_face(server, files),
        model_hosts.at_modelscope(server, files),
    )
    for hosted in hosts:
        person = person.having(**hosted.env)
        assert person.run("pull", "-q", hosted.reference).code == 0
    reference = f"oci://{address(server)}/acme/made-up:1"
    assert person.run("pull", "-q", "--tls-verify=false", reference).code == 0
    return person


def address(server: FileServer) -> str:
    return server.url.partition("://")[2]


def references(server: FileServer) -> list[str]:
    """Name what `owner` has, in alphabetical order."""
    return [
        "hf://acme/smollm2",
        f"{server.url}/files/smollm2.gguf",
        "ms://acme/smollm2",
        f"oci://{address(server)}/acme/made-up:1",
    ]


def freed(done: Done) -> float:
    """Return the megabytes that a removal has freed."""
    match = re.fullmatch(r"Freed ([0-9.]+) (k?M?B)\n", done.err)
    assert match is not None, done.err
    return float(match[1]) * {"B": 1e-6, "kB": 1e-3, "MB": 1}[match[2]]


def test_the_same_content_from_four_places_is_one_file(owner: Person, server: FileServer) -> None:
    documents = [owner.run("inspect", "--json", each).out for each in references(server)]
    paths = [Path(json.loads(document)["Path"]) for document in documents]

    assert len({path.stat().st_ino for path in paths}) == 1
    assert paths[0].read_bytes() == CONTENT
    # The content and the record, and the directories that hold them, once.
    blocks = sum({path.stat().st_ino: path.stat().st_blocks for path in files_of(owner)}.values())
    assert blocks * 512 < SIZE + MIB


def files_of(person: Person) -> list[Path]:
    return [path for path in person.store.rglob("*") if path.is_file()]


def test_a_list_has_all_of_them_in_a_form_that_programs_read(
    owner: Person, server: FileServer
) -> None:
    rows = json.loads(owner.run("list", "--json", "--order", "asc").out)

    assert [(row["name"], row["size"]) for row in rows] == [
        (reference, SIZE) for reference in references(server)
    ]
    assert {tuple(row) for row in rows} == {("shortname", "name", "modified", "size")}


def test_space_is_free_when_the_last_name_of_a_content_is_gone(
    owner: Person, server: FileServer
) -> None:
    removed = [owner.run("rm", reference) for reference in references(server)]

    assert [done.out for done in removed] == [f"{each}\n" for each in references(server)]
    assert [round(freed(done)) for done in removed] == [0, 0, 0, 3]
    assert owner.run("gc") == Done(code=0, err="Freed 0 B\n")
    assert not [path for path in files_of(owner) if path.stat().st_size > 10_000]


@pytest.mark.parametrize(
    "script",
    [
        "for model in $(ramalama list --noheading | awk '{print $1}'); do ramalama rm $model; done",
        "ramalama ls -q | xargs ramalama rm",
        'ramalama ls --json | sed -n \'s/.*"name": "\\(.*\\)",/\\1/p\' | xargs -n 1 ramalama rm',
        "ramalama rm --all; ramalama rm --ignore hf://acme/smollm2",
        "ramalama --quiet rm --all && ramalama rm -a --ignore",
    ],
)
def test_scripts_that_remove_everything_do(owner: Person, script: str) -> None:
    done = owner.other("sh", "-e", "-c", script)

    assert done.code == 0, done.err
    assert owner.run("ls", "-n", "--all") == Done(code=0)


def test_a_newer_version_takes_the_place_of_the_older_whose_space_gc_frees(
    person: Person, server: FileServer
) -> None:
    hub = HuggingFace(server)
    person = person.having(HF_ENDPOINT=server.url)
    newer = CONTENT + bytes(2 * MIB)
    repository = hub.add("acme/made-up", {"made-up-Q4_0.gguf": CONTENT})
    first = person.run("pull", "-q", "hf://acme/made-up")
    repository.push({"made-up-Q4_0.gguf": newer})
    second = person.run("pull", "-q", "hf://acme/made-up")
    third = person.run("pull", "hf://acme/made-up")

    (row,) = json.loads(person.run("list", "--json").out)
    assert [done.code for done in (first, second, third)] == [0, 0, 0]
    assert third.err == ""
    assert row["size"] == len(newer)
    assert round(freed(person.run("gc"))) == 3
    assert person.run("inspect", "hf://acme/made-up").code == 0


def test_what_came_of_an_interrupted_pull_can_be_removed(
    person: Person, server: FileServer
) -> None:
    server.routes["/x.gguf"] = faulty(serve_bytes(CONTENT), stall(2 * MIB))
    child = person.terminal("pull", f"{server.url}/x.gguf")
    child.expect(" 67%")
    child.kill(signal.SIGTERM)
    assert exit_code(child) == 143

    kept = person.run("gc")
    removed = person.run("rm", f"{server.url}/x.gguf")

    assert kept.err == "Freed 0 B\n"
    assert round(freed(removed)) == 2
    assert not list(person.store.glob("cas/partial/*"))
    assert person.run("list", "--all", "-n") == Done(code=0)
