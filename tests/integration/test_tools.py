"""`--mcp`: tools of real MCP servers, called by a model that says what it is told to.

A real one calls them in `test_abilities`; here are those that err, insist and interrupt.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, cast

import pytest

from tests.doubles.openai_server import OpenAiServer, answer, tool_call
from tests.integration.cli import Cli, eventually
from tests.integration.person import Person, make_person
from tests.integration.screen import Screen
from tests.integration.tool_servers import LEFT_OUT, Stdio, http_server, make_stdio

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["tests.integration.users"]

PROMPT = "me>"
ENDED = "it has ended, or closed the connection"
ALWAYS = "--mcp-approve=always"
ASKED = 'Tool call: tools: add {"a": 1, "b": 2}\nCall tools: add? [y]es, [n]o, [a]lways:'


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return make_person(tmp_path)


@pytest.fixture
def stdio(tmp_path: Path) -> Stdio:
    return make_stdio(tmp_path)


def last_turn(server: OpenAiServer, question: int) -> dict[str, object]:
    messages = cast("list[dict[str, object]]", server.questions[question]["messages"])
    return messages[-1]


def result(text: str) -> dict[str, object]:
    return {"role": "tool", "tool_call_id": "c1", "content": text}


def test_a_program_has_tools_and_ends_with_the_talk(person: Person, stdio: Stdio) -> None:
    with OpenAiServer(tool_call("add", a=1, b=2), answer("It is 3.")) as server:
        done = person.run("chat", "--url", server.url, stdio.option, ALWAYS, "1+2?")

    assert (done.code, done.out) == (0, "It is 3.\n")
    assert done.err == LEFT_OUT + '(tool: tools: add {"a": 1, "b": 2})\n'
    assert last_turn(server, 1) == result("3")
    assert stdio.has_ended()


def test_a_server_on_the_web_has_tools(person: Person, tmp_path: Path) -> None:
    replies = (tool_call("say_rude"), tool_call("flood", characters=99_999), answer("Well."))
    with http_server(tmp_path) as url, OpenAiServer(*replies) as server:
        done = person.run("chat", "--url", server.url, "--mcp", url, ALWAYS, "Speak!")

    assert (done.code, done.out) == (0, "Well.\n")
    assert last_turn(server, 1) == result("rude words")
    assert str(last_turn(server, 2)["content"]).endswith("x\n(cut off: 99999 characters in all)")


def test_nothing_is_called_where_nobody_can_be_asked(person: Person, stdio: Stdio) -> None:
    with OpenAiServer(tool_call("add", a=1, b=2), answer("Oh.")) as server:
        done = person.run("chat", "--url", server.url, stdio.option, "1+2?", text="y\n")

    assert (done.code, done.out) == (0, "Oh.\n")
    assert "(refused, since the user cannot be asked: tools: add " in done.err
    assert last_turn(server, 1) == result("Error: the user does not allow this call")


def test_a_server_that_ends_is_one_line_and_the_answer_goes_on(
    person: Person, stdio: Stdio
) -> None:
    with OpenAiServer(tool_call("end"), answer("Oh.")) as server:
        done = person.run("chat", "--url", server.url, stdio.option, ALWAYS, "End!")

    why = f"{ENDED} (last error output: the disk\\x1b[2J is full)"
    assert (done.code, done.out) == (0, "Oh.\n")
    assert done.err.endswith(f"(tool server tools: {why})\n")
    assert last_turn(server, 1) == result(f"Error: {why}")


@pytest.mark.parametrize(
    ("server", "complaint"),
    [
        ("/nowhere/it", "the tool server it is not available: No such file or directory"),
        ("githb", "--mcp 'githb' is neither a program nor a server that ramalama.conf names"),
        (
            "sh -c 'echo no key >&2; exit 1'",
            f"the tool server sh is not available: {ENDED} (last error output: no key)",
        ),
    ],
)
def test_a_server_that_does_not_start_is_one_line(
    person: Person, server: str, complaint: str
) -> None:
    with OpenAiServer() as model:
        done = person.run("chat", "--url", model.url, "--mcp", server, "Hi")

    assert done.code == 22
    assert done.complaint == complaint


def test_without_the_sdk_the_extra_is_named(person: Person, tmp_path: Path) -> None:
    (tmp_path / "mcp.py").write_text("raise ModuleNotFoundError\n")
    with OpenAiServer() as server:
        without = person.having(PYTHONPATH=str(tmp_path))
        done = without.run("chat", "--url", server.url, "--mcp=server", "Hi")

    assert done.code == 22
    needed = "pip install 'mcp>=2.3,<3' 'anyio>=4.9,<5'"
    assert done.complaint == f"--mcp needs the Python package mcp: {needed}"


def test_a_person_is_asked_and_may_interrupt_a_call(person: Person, stdio: Stdio) -> None:
    replies = (
        *(tool_call("add", a=1, b=2), answer("It is 3.")),
        *(tool_call("add", a=3, b=4), answer("As you like.")),
        tool_call("sleep"),
        answer("Good morning."),
    )
    with OpenAiServer(*replies) as server:
        words = (f"--prefix={PROMPT}", "--color=never", "--url", server.url, stdio.option)
        screen = Screen(person.terminal("chat", *words))
        screen.wait_for(PROMPT)
        screen.type("/tools\r")
        screen.wait_for_text("Add two numbers. (tools)")
        screen.type("1+2?\r")
        screen.wait_for_text(ASKED)
        screen.type("y\r")
        screen.wait_for("It is 3.", PROMPT)
        screen.type("Again!\r")
        screen.wait_for_text(ASKED.replace('"a": 1, "b": 2', '"a": 3, "b": 4'))
        screen.type("n\r")
        screen.wait_for("As you like.", PROMPT)
        screen.type("Sleep!\r")
        screen.wait_for_text("Tool call: tools: sleep {}")
        screen.type("a\r")
        eventually(stdio.is_called)
        screen.type("\x03")
        screen.wait_for_text("(stopped)")
        screen.type("Hello\r")
        screen.wait_for("Good morning.", PROMPT)
        screen.type("/bye\r")

        assert screen.wait_for_end() == 0

    assert stdio.has_ended()
    assert last_turn(server, 1) == result("3")
    assert last_turn(server, 3) == result("Error: the user does not allow this call")


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
def test_a_signal_in_the_middle_of_a_call_leaves_nothing_behind(
    person: Person, stdio: Stdio, number: signal.Signals, code: int
) -> None:
    with OpenAiServer(tool_call("sleep")) as server:
        words = ("chat", "--url", server.url, stdio.option, ALWAYS, "Sleep!")
        with person.start(*words) as process:
            eventually(stdio.is_called)
            process.send_signal(number)

            assert process.wait() == code
            assert eventually(stdio.has_ended)


@pytest.mark.engines
@pytest.mark.parametrize("cli", ["podman"], indirect=True)
def test_a_model_that_knows_no_tools_answers_without(cli: Cli, model: Path, stdio: Stdio) -> None:
    done = cli.run(
        "run", "--ctx-size=512", stdio.option, "--max-tokens=8", str(model), "Say hello."
    )

    assert (done.code, done.out != "") == (0, True)
    warning = "Notice: the model's chat template knows no tools: answers may be made up\n"
    assert done.err.startswith(f"{LEFT_OUT}{warning}")
    assert stdio.has_ended()
