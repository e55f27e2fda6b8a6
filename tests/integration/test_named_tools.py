"""`--mcp NAME`: tool servers that ramalama.conf names, and keys that nobody sees."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import pytest

from tests.doubles.openai_server import OpenAiServer, answer, tool_call
from tests.doubles.tool_server import KEY
from tests.integration.person import Person, make_person
from tests.integration.tool_servers import http_server, make_stdio

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

ALWAYS = "--mcp-approve=always"


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return make_person(tmp_path)


def told(server: OpenAiServer, question: int) -> object:
    """Return what the model was told last."""
    messages = cast("list[dict[str, object]]", server.questions[question]["messages"])
    return messages[-1]["content"]


def with_settings(person: Person, settings: str) -> None:
    file = person.home / ".config/ramalama/ramalama.conf"
    file.parent.mkdir(parents=True)
    file.write_text(f"[ramalama.mcp.calc]\n{settings}\n", encoding="utf-8")


@contextmanager
def locked_server(person: Person, directory: Path) -> Generator[str]:
    """Run a server that wants a key, which the settings name "calc"; yield its URL."""
    with http_server(directory, "http-with-key") as url:
        headers = '{ Authorization = "Bearer ${CALC_KEY}" }'
        with_settings(person, f'url = "{url}"\nheaders = {headers}')
        yield url


def test_a_server_that_the_settings_name_is_sent_its_headers_which_nobody_sees(
    person: Person, tmp_path: Path
) -> None:
    nobody = "http://127.0.0.1:9"  # a proxy, which has no business on this machine
    having_key = person.having(CALC_KEY=KEY, HTTP_PROXY=nobody, ALL_PROXY=nobody)
    replies = (tool_call("add", a=1, b=2), answer("It is 3."), answer("As before."))
    with locked_server(person, tmp_path), OpenAiServer(*replies) as server:
        words = ("chat", "--url", server.url, "--mcp=calc", ALWAYS)
        done = having_key.run(*words, "1+2?")
        logged = having_key.run(*words, "--debug", "1+2?")

    assert (done.code, done.out) == (0, "It is 3.\n")
    assert told(server, 1) == "3"
    assert (logged.code, "HTTP Request: POST" in logged.err) == (0, True)
    assert KEY not in done.err + logged.out + logged.err


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({}, "the tool server calc needs the variable CALC_KEY, which is not set"),
        (
            {"CALC_KEY": "no-sesame"},
            "the tool server calc is not available: it requires a key, or another key (HTTP 401)",
        ),
    ],
)
def test_a_server_that_lacks_its_key_is_one_line(
    person: Person, tmp_path: Path, variables: dict[str, str], complaint: str
) -> None:
    with locked_server(person, tmp_path), OpenAiServer() as model:
        words = ("chat", "--url", model.url, "--mcp=calc", "Hi")
        done = person.having(**variables).run(*words)

    assert done.code == 22
    assert done.complaint == complaint


def test_a_program_that_the_settings_name_finds_its_secret_in_its_environment(
    person: Person, tmp_path: Path
) -> None:
    command = make_stdio(tmp_path).option.removeprefix("--mcp=")
    with_settings(person, f'command = "{command}"\nenv = {{ SECRET = "${{CALC_KEY}}" }}')
    with OpenAiServer(tool_call("secret"), answer("Done.")) as server:
        words = ("chat", "--url", server.url, "--mcp=calc", ALWAYS, "Look!")
        done = person.having(CALC_KEY=KEY).run(*words)

    assert (done.code, done.out) == (0, "Done.\n")
    assert told(server, 1) == KEY
    assert KEY not in done.err
