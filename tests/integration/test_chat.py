"""`ramalama chat --url`: with servers that are not ours, and with such as misbehave."""

from __future__ import annotations

import json
import socket
import textwrap
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.doubles.openai_server import MODEL, OpenAiServer, answer, said, streamed
from tests.doubles.server import FileServer, Reply, Request
from tests.integration.cli import Cli, eventually
from tests.integration.person import Person, make_person
from tests.integration.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import pexpect

pytest_plugins = ["tests.integration.users"]

SMALL = ("--ctx-size=256", "--temp=0")
PROMPT = "me>"
LOOP = (f"--prefix={PROMPT}", "--color=never")


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """Somebody whose terminal knows colours."""
    return make_person(tmp_path)


def chatting(person: Person, url: str, *words: str) -> pexpect.spawn[str]:
    return person.terminal("chat", *LOOP, "--url", url, *words)


@pytest.fixture
def nobody() -> Generator[str]:
    """An address where nobody listens."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_one_question_has_one_answer_and_nothing_else_on_stdout(person: Person) -> None:
    with OpenAiServer(answer("It is", " blue.")) as server:
        done = person.run("chat", "--url", server.url, "Which colour?", text="Of the sky.\n")

    assert (done.code, done.out, done.err) == (0, "It is blue.\n", "")
    assert server.questions == [
        {
            "model": MODEL,
            "stream": True,
            "messages": [{"role": "user", "content": "Which colour?\n\nOf the sky."}],
        }
    ]


def test_options_and_files_are_sent_along(person: Person, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a note")
    (tmp_path / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "s.json").write_text('{"type": "object"}')
    with OpenAiServer(answer("{}")) as server:
        done = person.run(
            *("chat", "--url", server.url, "--system=Be brief.", "--max-tokens=7", "--think=off"),
            *("--temp=0.5", "--seed=42"),
            *(f"--file={tmp_path}/notes.txt", f"--picture={tmp_path}/dot.png"),
            *(f"--schema={tmp_path}/s.json", "What?"),
        )

    assert (done.code, done.out, done.err) == (0, "{}\n", "")
    (question,) = server.questions
    assert question["max_tokens"] == 7
    assert (question["temperature"], question["seed"]) == (0.5, 42)
    assert question["chat_template_kwargs"] == {"enable_thinking": False}
    assert question["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
    }
    assert question["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "File notes.txt:\n```\na note\n```\n\nWhat?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
            ],
        },
    ]


def test_json_is_one_object_with_everything_in_it(person: Person) -> None:
    thought = said(None, reasoning_content="Hm.")
    usage = {"choices": list[object](), "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
    reply = streamed(thought, said("Bl\x1bue"), said(None, finish="stop"), usage)
    with OpenAiServer(reply) as server:
        done = person.run("chat", "--url", server.url, "--json", "Which?")

    told = json.loads(done.out)
    timings = told.pop("timings")
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    assert told == {
        "model": MODEL,
        "text": "Bl\x1bue",
        "reasoning": "Hm.",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
    assert 0 <= timings["first_text_ms"] <= timings["total_ms"]


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ({}, "none"),
        ({"OPENAI_API_KEY": "o"}, "o"),
        ({"OPENAI_API_KEY": "o", "RAMALAMA_API_KEY": "r"}, "r"),
    ],
)
def test_the_key_comes_from_the_environment(
    person: Person, variables: dict[str, str], key: str
) -> None:
    with OpenAiServer(answer("Hi.")) as server:
        done = person.having(**variables).run("chat", "--url", server.url, "Hi")

    assert done.code == 0
    assert {asked.headers["authorization"] for asked in server.requests} == {f"Bearer {key}"}


def test_other_variables_of_openai_change_nothing(person: Person) -> None:
    meant_for_openai = {
        "OPENAI_ADMIN_KEY": "ü",
        "OPENAI_API_TYPE": "azure",
        "OPENAI_BASE_URL": "http://127.0.0.1:1",
        "OPENAI_CUSTOM_HEADERS": "X-Gate: ü\nAuthorization: Bearer x",
        "OPENAI_LOG": "debug",
        "OPENAI_ORG_ID": "ü",
        "OPENAI_PROJECT_ID": "ü",
        "OPENAI_WEBHOOK_SECRET": "ü",
    }
    with OpenAiServer(answer("Hi.")) as server:
        done = person.having(**meant_for_openai).run("chat", "--url", server.url, "Hi")

    assert (done.code, done.out, done.err) == (0, "Hi.\n", "")


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        pytest.param(
            Reply(status=500, body=b"oops"),
            "the server refused the request (HTTP 500): oops",
            id="500",
        ),
        pytest.param(
            Reply.of_json({"error": {"message": "bad\x1b[2J\nschema"}}, status=400),
            "the server refused the request (HTTP 400): bad\\x1b[2J schema",
            id="400",
        ),
        pytest.param(
            streamed(b"data: {nonsense\n\n"),
            "the server sent an answer that is not JSON",
            id="wrong-json",
        ),
        pytest.param(
            streamed({"hello": 1}),
            "the server sent something that is not part of a chat answer: {'hello': 1}",
            id="another-json",
        ),
        pytest.param(
            streamed(b"<html><title>It works!</title></html>"),
            "the server sent a web page instead of an answer: It works!; "
            "is it a model server, and is the URL right?",
            id="no-sse",
        ),
    ],
)
def test_a_request_that_fails_is_one_line_and_has_an_exit_code(
    person: Person, reply: Reply, complaint: str
) -> None:
    with OpenAiServer(reply) as server:
        done = person.run("chat", "--url", server.url, "Hi")

    assert done.code == 1
    assert done.complaint == complaint


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        pytest.param(
            streamed(said("He"), cut=True),
            "the model server went away in the middle of the answer",
            id="closes-early",
        ),
        pytest.param(
            streamed(said("He")),
            "the model server stopped in the middle of its answer",
            id="ends-early",
        ),
        pytest.param(
            streamed(said("He"), {"error": {"code": 500, "message": "slot failed"}}),
            "the server failed in the middle of its answer: slot failed",
            id="500-in-the-middle",
        ),
        pytest.param(
            streamed(said("He"), stall=True), "the model server stopped answering", id="stalls"
        ),
    ],
)
def test_an_answer_that_breaks_off_is_never_asked_for_twice(
    person: Person, reply: Reply, complaint: str
) -> None:
    with OpenAiServer(reply, answer("Hello.")) as server:
        done = person.run("chat", "--url", server.url, "--timeout=1s", "Hi")

    assert (done.code, done.out, done.err) == (1, "He\n", f"Error: {complaint}\n")
    assert len(server.questions) == 1


@pytest.mark.parametrize(
    ("reply", "code", "out", "err"),
    [
        (answer("He"), 0, "He\n", ""),
        (
            answer("He", finish="length"),
            0,
            "He\n",
            (
                "Notice: the answer is cut off: the context is full; "
                "start the server with a context of 512 tokens, or send less\n"
            ),
        ),
        (
            answer("He", finish="content_filter"),
            0,
            "He\n",
            "Notice: the answer is cut off: the server's filter has stopped it\n",
        ),
        (
            answer("He", finish="ab\x1bort"),
            0,
            "He\n",
            "Notice: the answer is cut off: the server says ab\\x1bort\n",
        ),
        (answer(), 1, "", "Error: the model gave no answer\n"),
        (answer(" \n"), 1, " \n", "Error: the model gave no answer\n"),
        (
            answer(finish="content_filter"),
            1,
            "",
            "Error: the model gave no answer: the server's filter has stopped it\n",
        ),
        (
            streamed(said(None, reasoning="Hm."), said(None, finish="stop")),
            1,
            "",
            (
                "Error: the model only reasoned, and gave no answer; "
                "--think off makes it answer at once\n"
            ),
        ),
    ],
)
def test_an_answer_that_is_less_than_asked_for_is_one_line_with_the_reason(
    person: Person, reply: Reply, code: int, out: str, err: str
) -> None:
    with OpenAiServer(reply, context=64) as server:
        done = person.run("chat", "--url", server.url, "Hi")

    assert (done.code, done.out, done.err) == (code, out, err)


def test_the_limit_of_an_answer_is_told_apart_from_a_full_context(person: Person) -> None:
    with OpenAiServer(answer("He", finish="length")) as server:
        done = person.run("chat", "--url", server.url, "--max-tokens=2", "Hi")

    limit = "the answer is cut off after 2 tokens; --max-tokens raises the limit"
    assert (done.code, done.out, done.err) == (0, "He\n", f"Notice: {limit}\n")


def test_json_of_an_empty_answer_is_printed_and_rc_is_1(person: Person) -> None:
    with OpenAiServer(answer(finish="length"), context=64) as server:
        done = person.run("chat", "--url", server.url, "--json", "Hi")

    assert (done.code, json.loads(done.out)["finish_reason"]) == (1, "length")
    assert done.err.startswith("Error: the model gave no answer: the context is full; ")


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_is_busy_is_asked_again(person: Person, status: int) -> None:
    with OpenAiServer(Reply(status=status), answer("Hello.")) as server:
        done = person.run("chat", "--url", server.url, "Hi")

    assert (done.code, done.out, done.err) == (0, "Hello.\n", "")


def test_a_server_that_loads_its_model_is_waited_for(person: Person) -> None:
    loading = Reply.of_json({"error": {"message": "Loading model"}}, status=503)
    with OpenAiServer(answer("Hello.")) as server:
        listed = server.routes["/v1/models"]
        refusals = [loading] * 6

        def answer_models(asked: Request) -> Reply:
            return refusals.pop() if refusals else listed(asked)

        server.routes["/v1/models"] = answer_models
        done = person.run("chat", "--url", server.url, "Hi")

    assert (done.code, done.out, done.err) == (
        0,
        "Hello.\n",
        "Loading the model \N{HORIZONTAL ELLIPSIS}\n",
    )


@pytest.mark.parametrize(
    ("url", "code", "complaint"),
    [
        ("nonsense", 22, "'nonsense' is not a server's address: use http(s)://host:port or"),
        ("unix:///nowhere.sock", 1, "the model server cannot be reached: "),
    ],
)
def test_an_address_without_a_server_is_one_line(
    person: Person, url: str, code: int, complaint: str
) -> None:
    done = person.run("chat", "--url", url, "Hi")

    assert done.code == code
    assert done.complaint.startswith(complaint)


def test_a_port_where_nobody_listens_is_one_line(person: Person, nobody: str) -> None:
    done = person.run("chat", "--url", nobody, "Hi")

    assert done.code == 1
    assert done.complaint.startswith("the model server cannot be reached: ")


def test_a_web_server_that_is_no_model_server_is_one_line(person: Person) -> None:
    with FileServer() as server:
        done = person.run("chat", "--url", server.url, "Hi")

    assert done.code == 1
    assert done.complaint == "the server refused the request (HTTP 404): no such path"


@pytest.mark.parametrize(
    ("option", "content", "why"),
    [
        ("--schema", "{", "is not valid JSON"),
        ("--picture", "text", "is not a picture"),
        ("--file", "a\0b", "is not UTF-8 text"),
    ],
)
def test_a_file_that_makes_no_sense_is_one_line_before_anything_is_asked(
    person: Person, tmp_path: Path, option: str, content: str, why: str
) -> None:
    (tmp_path / "x").write_text(content)
    with OpenAiServer() as server:
        done = person.run("chat", "--url", server.url, f"{option}={tmp_path}/x", "Hi")

    assert done.code == 22
    assert why in done.complaint
    assert server.requests == []


def test_the_talk_goes_on_after_each_failure(person: Person) -> None:
    replies = (
        Reply(status=500, body=b"oops"),
        streamed(said("He"), cut=True),
        streamed(said("He"), stall=True),
        streamed(b"data: {nonsense\n\n"),
        answer("Hello."),
    )
    with OpenAiServer(*replies) as server:
        screen = Screen(chatting(person, server.url, "--timeout=1s"))
        screen.wait_for(PROMPT)
        for complaint in ("HTTP 500", "went away", "stopped answering", "not JSON"):
            screen.type("Hi\r")
            screen.wait_for_text(complaint)
        screen.type("/retry\r")
        screen.wait_for("Hello.", PROMPT)
        screen.type("/bye\r")

        assert screen.wait_for_end() == 0

    messages = [question["messages"] for question in server.questions]
    assert messages == [[{"role": "user", "content": "Hi"}]] * 5


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.1, 0.2])
def test_ctrl_c_twice_stops_the_answer_and_the_talk_goes_on(person: Person, pause: float) -> None:
    replies = (streamed(said("He"), stall=True), answer("Hello."))
    with OpenAiServer(*replies) as server:
        screen = Screen(chatting(person, server.url))
        screen.wait_for(PROMPT)
        screen.type("Hi\r")
        screen.wait_for_text("\nHe")
        screen.type("\x03")
        time.sleep(pause)
        screen.type("\x03")
        screen.wait_for_text("(stopped)")
        screen.wait_until(lambda: screen.lines[-1] == PROMPT)
        time.sleep(0.2)
        assert screen.text.count("once more leaves") <= 1
        screen.type("Hi\r")
        screen.wait_for("Hello.", PROMPT)
        screen.type("\x03")
        screen.wait_for(PROMPT, "(/bye, Ctrl-D, or Ctrl-C once more leaves)", PROMPT)
        time.sleep(1.1)
        screen.type("\x03")

        assert screen.wait_for_end() == 0


def test_keys_typed_during_an_answer_wait_for_the_prompt_and_words_are_wrapped(
    person: Person,
) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 5
    words = [f"{word} " for word in text.split()]
    with OpenAiServer(replace(answer(*words), rate=4000)) as server:
        screen = Screen(chatting(person, server.url))
        screen.wait_for(PROMPT)
        screen.type("Hi\r")
        screen.wait_for_text("\nThe quick")
        screen.type("typed ahead")
        screen.wait_for(*textwrap.wrap(text, 100), f"{PROMPT}typed ahead")
        screen.type("\x03")
        screen.wait_for(f"{PROMPT}typed ahead", PROMPT)
        screen.type("/bye\r")

        assert screen.wait_for_end() == 0


def test_a_pipe_gets_an_answer_as_it_is(person: Person) -> None:
    text = "word " * 100
    with OpenAiServer(answer(text)) as server:
        done = person.run("chat", "--url", server.url, "Hi")

    assert done.out == f"{text}\n"


def test_oldest_turns_are_forgotten_when_the_context_is_full(person: Person) -> None:
    full = {"error": {"message": "too long", "n_prompt_tokens": 90, "n_ctx": 64}}
    replies = (
        answer("One.", usage=(20, 5)),
        answer("Two.", usage=(50, 5)),
        Reply.of_json(full, status=400),
        answer("Three.", usage=(20, 5)),
    )
    with OpenAiServer(*replies, context=64) as server:
        screen = Screen(chatting(person, server.url))
        screen.wait_for(PROMPT)
        screen.type("A\r")
        screen.wait_for("One.", PROMPT)
        screen.type("B\r")
        tight = (
            "(context: 55 of 64 tokens are used; when it is full, the oldest turns are forgotten)"
        )
        screen.wait_for("Two.", tight, PROMPT)
        screen.type("C\r")
        forgotten = "(the model's context is full: the oldest exchange is forgotten)"
        screen.wait_for(forgotten, "Three.", PROMPT)
        screen.type("\x04")

        assert screen.wait_for_end() == 0

    assert [len(list(iter_roles(question))) for question in server.questions] == [1, 3, 5, 3]


def iter_roles(question: dict[str, object]) -> Generator[object]:
    messages = question["messages"]
    assert isinstance(messages, list)
    yield from messages


@pytest.mark.engines
@pytest.mark.parametrize("cli", ["podman"], indirect=True)
def test_a_server_of_ours_answers_at_its_socket(cli: Cli, model: Path) -> None:
    with cli.prompt_loop(*SMALL, str(model)):
        (path,) = eventually(lambda: list(cli.run_dir.glob("*/api.sock")))
        done = cli.run("chat", f"--url=unix://{path}", "--json", "--max-tokens=5", "Say hello.")

    told = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert told["finish_reason"] == "length"
    assert told["usage"]["completion_tokens"] == 5
    assert told["timings"]["predicted_n"] == 5


def test_thoughts_are_dimmed_on_a_terminal_and_end_before_the_answer(person: Person) -> None:
    with OpenAiServer(
        streamed(said(None, reasoning_content="Hm."), said("42", finish="stop"))
    ) as server:
        screen = Screen(person.terminal("chat", "--url", server.url, "6 x 7?"))

        assert screen.wait_for_end() == 0

    assert screen.lines == ["Hm.", "42"]
    assert "\x1b[2mHm.\x1b[0m\r\n" in screen.raw
