"""`ramalama rag` as its users run it: from documents to an index, and again."""

from __future__ import annotations

import json
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.doubles.server import FileServer, Reply, serve_bytes
from tests.integration.cli import PATIENCE
from tests.integration.person import Person, make_person
from tests.unit.ramalama.rag import made_documents as made

if TYPE_CHECKING:
    from pathlib import Path

_MANUAL = "# Manual\n\nIt stops by itself.\n\n## Keys\n\nCtrl-C stops it, too.\n"
_HINT = "Without an embedding model, the index is searched by words only, not by meaning\n"


@pytest.fixture
def person(tmp_path: Path) -> Person:
    person = make_person(tmp_path).having(RAMALAMA_EMBEDDING_MODEL="none")
    docs = person.home / "docs"
    docs.mkdir()
    (docs / "manual.md").write_text(_MANUAL)
    (docs / "notes.txt").write_text("Buy milk.\n")
    return person


def docs(person: Person) -> str:
    return str(person.home / "docs")


def index(person: Person) -> str:
    return str(person.home / "docs.db")


def told(person: Person) -> dict[str, object]:
    found: dict[str, object] = json.loads(person.run("rag", "info", "--json", index(person)).out)
    return found


def left(person: Person) -> set[str]:
    return {each.name for each in person.home.iterdir()} - {"docs", "run"}


def test_a_directory_becomes_an_index(person: Person) -> None:
    done = person.run("rag", docs(person), index(person))

    assert (done.code, done.out) == (0, f"{index(person)}\n")
    first, second, third = done.err.splitlines(keepends=True)
    assert first == "Indexing 2 documents …\n"
    assert second.startswith(f"{index(person)}: 2 documents, 2 chunks, ")
    assert second.endswith(" (2 new)\n")
    assert third == _HINT
    assert left(person) == {"docs.db"}


def test_a_quiet_command_says_no_more_than_the_path(person: Person) -> None:
    done = person.run("rag", "--quiet", docs(person), index(person))

    assert (done.code, done.out, done.err) == (0, f"{index(person)}\n", "")


def test_what_is_left_out_and_scanned_is_told_in_groups(person: Person) -> None:
    for number in range(5):
        (person.home / f"docs/{number}.bin").write_bytes(b"\x7fELF\0")
    (person.home / "docs/link").symlink_to("/etc/passwd")
    (person.home / "docs/scan.pdf").write_bytes(made.pdf([None, "a page with text", None]))

    lines = person.run("rag", docs(person), index(person)).err.splitlines()

    names = ", ".join(f"{docs(person)}/{number}.bin" for number in range(3))
    assert f"Left out: {names} and 2 others (each is a binary file)" in lines
    assert f"Left out: {docs(person)}/link (it is a symbolic link)" in lines
    scanned = f"2 pages without text, which seem to be scanned, in {docs(person)}/scan.pdf"
    assert f"{scanned}: a model can read them (--ocr-model)" in lines


def test_only_what_has_changed_is_told_the_second_time(person: Person) -> None:
    person.run("rag", docs(person), index(person))
    assert "(nothing has changed)" in person.run("rag", docs(person), index(person)).err
    (person.home / "docs/manual.md").write_text("# Manual\n\nNew.\n")
    (person.home / "docs/notes.txt").unlink()
    (person.home / "docs/more.md").write_text("More.")

    done = person.run("rag", "update", index(person))

    assert "(1 new, 1 changed, 1 removed)" in done.err
    assert told(person)["documents"] == 2


def test_an_index_says_what_it_has(person: Person) -> None:
    person.run("rag", "--chunk-size=64", docs(person), index(person))

    shown = person.run("rag", "info", index(person))
    listed = person.run("rag", "list", index(person))

    assert "documents           2\n" in shown.out
    assert "of at most 64 tokens\n" in shown.out
    assert listed.out.splitlines()[0].split() == ["DOCUMENT", "TITLE", "CHUNKS"]
    assert [line.split()[-2:] for line in listed.out.splitlines()[1:]] == [
        ["Manual", "1"],
        ["notes.txt", "1"],
    ]
    assert person.run("rag", "list", "-q", index(person)).out == (
        f"{docs(person)}/manual.md\n{docs(person)}/notes.txt\n"
    )
    (first, _) = json.loads(person.run("rag", "list", "--json", index(person)).out)
    assert first["digest"].startswith("sha256:")


def test_standard_input_and_urls_are_documents(person: Person) -> None:
    with FileServer({"/a": serve_bytes(b"<h1>Page</h1><p>x", content_type="text/html")}) as server:
        url = f"{server.url}/a"
        done = person.run("rag", "-", url, index(person), text="# Piped\n\nhello")
        listed = person.run("rag", "list", "-q", index(person)).out
    # Neither can be read now.
    updated = person.run("rag", "update", index(person))

    assert done.code == 0
    assert listed.splitlines() == ["-", url]
    assert updated.code == 0
    assert "Kept as it was: - (it came from standard input)" in updated.err
    assert f"Kept as it was: {url} (it cannot be fetched" in updated.err
    assert told(person)["documents"] == 2


def test_a_redirect_into_the_local_network_is_refused(person: Person) -> None:
    with FileServer({"/secret": serve_bytes(b"of the network")}) as server:
        server.routes["/a"] = lambda _: Reply.redirect(f"{server.other_url}/secret")
        done = person.run("rag", f"{server.url}/a", index(person))

        assert not server.asked("/secret")
    assert done.code == 22
    assert "it redirects to localhost, which is in the local network" in done.err
    assert left(person) == set()


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("{home}/nothing", "{home}/a.db"), 2, "{home}/nothing: there is no such document"),
        (("info", "{home}/a.db"), 2, "{home}/a.db: there is no index; make one: "),
        (("info", "{docs}/notes.txt"), 22, "{docs}/notes.txt: this is not an index; "),
        (("{docs}", "{docs}/notes.txt"), 22, "{docs}/notes.txt exists and is not an index"),
        (("list", "a", "b"), 2, "`rag list` takes one index; a document of this name is ./list"),
        (("update", "--chunk-size=99", "a"), 2, "--chunk-size, --embedding-model and --ocr-model"),
        (("--json", "{docs}", "{home}/a.db"), 2, "--json is only for `rag info` and `rag list`"),
        (("--chunk-size=7", "a", "b"), 2, "argument --chunk-size: '7' is not a whole number from"),
        (("http://me:pw@localhost/", "{home}/a.db"), 22, "a URL of a document must have no"),
        (("{home}/run", "{home}/a.db"), 22, "there are no documents; name files, directories"),
        (("{docs}", "/proc/nothing/a.db"), 5, ""),
    ],
)
def test_bad_input_is_one_line(
    person: Person, words: tuple[str, ...], code: int, complaint: str
) -> None:
    named = {"home": str(person.home), "docs": docs(person)}

    done = person.run("rag", *(word.format(**named) for word in words))

    assert done.code == code
    last = done.err.splitlines()[-1]
    assert last.startswith(f"Error: {complaint.format(**named)}")
    assert "Traceback" not in done.err
    assert (person.home / "docs/notes.txt").read_text() == "Buy milk.\n"
    assert left(person) == set()


def test_a_document_called_info_is_named_with_its_directory(person: Person) -> None:
    (person.home / "docs/info").write_text("x")

    assert person.run("rag", f"{docs(person)}/info", index(person)).code == 0


def test_a_name_of_a_document_cannot_control_the_terminal(person: Person) -> None:
    (person.home / "docs/\x1b]0;title\x07.txt").write_text("hello")

    made_index = person.run("rag", docs(person), index(person))
    listed = person.run("rag", "list", index(person))

    assert "\x1b" not in made_index.err + made_index.out + listed.out
    assert "\\x1b]0;title\\x07.txt" in listed.out


def test_a_dry_run_does_nothing(person: Person) -> None:
    done = person.run("rag", "--dryrun", docs(person), index(person))

    assert done.code == 0
    assert done.err == f"would do: ramalama rag {docs(person)} {index(person)}\n"
    assert left(person) == set()


def test_ctrl_c_ends_it_at_once_and_the_next_one_goes_on(person: Person) -> None:
    _write_many(person, 3000)
    with person.start("rag", docs(person), index(person)) as process:
        _wait_for_work(person)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert time.monotonic() - began < 5
    assert left(person) == {".docs.db.work"}

    assert person.run("rag", docs(person), index(person)).code == 0

    assert left(person) == {"docs.db"}
    assert told(person)["documents"] == 3002


def test_a_command_that_was_killed_leaves_nothing_after_the_next_one(person: Person) -> None:
    _write_many(person, 600)
    began = time.monotonic()
    assert person.run("rag", docs(person), index(person)).code == 0
    takes = time.monotonic() - began
    path = person.home / "docs.db"
    expected = path.read_bytes()
    path.unlink()
    chance = random.Random(3)  # noqa: S311 (moments, not secrets)

    for _ in range(8):
        with person.start("rag", docs(person), index(person)) as process:
            time.sleep(chance.uniform(0.1, takes))
            process.kill()
        path.unlink(missing_ok=True)
    assert person.run("rag", docs(person), index(person)).code == 0

    assert path.read_bytes() == expected
    assert left(person) == {"docs.db"}


def test_two_commands_at_once_make_one_index(person: Person) -> None:
    _write_many(person, 300)
    with (
        person.start("rag", docs(person), index(person)) as one,
        person.start("rag", docs(person), index(person)) as two,
    ):
        assert (one.wait(PATIENCE), two.wait(PATIENCE)) == (0, 0)

    assert told(person)["documents"] == 302
    assert left(person) == {"docs.db"}


def _write_many(person: Person, number: int) -> None:
    for each in range(number):
        text = f"# Page {each}\n\n" + "some words of a page " * 100
        (person.home / f"docs/{each:05}.md").write_text(text)


def _wait_for_work(person: Person) -> None:
    deadline = time.monotonic() + PATIENCE
    while not (person.home / ".docs.db.work").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.3)
