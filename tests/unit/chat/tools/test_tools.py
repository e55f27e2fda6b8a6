from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
from mcp import types as mcp_types

from ramalama_chat import ChatError, ChatSession, ContextExceeded
from ramalama_chat.session.tool_loop import MOST_ROUNDS, ToolLoop
from ramalama_chat.tools.approval import Approval
from ramalama_chat.tools.calls import CallReader
from ramalama_chat.tools.result import result_text
from ramalama_chat.tools.server_address import parse_tool_server
from ramalama_chat.tools.tool import Tool, ToolRefused, read_tool
from tests.unit.chat.parrot import talk
from tests.unit.chat.scripted_server import Script, event, refusal, stream, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SCHEMA: Mapping[str, object] = {"type": "object"}
ADD = Tool(server="calc", name="add", own_name="add", description="Add.", schema=SCHEMA)


def deep(levels: int) -> dict[str, object]:
    """Nest objects, which no JSON writer follows for ever."""
    result: dict[str, object] = {}
    for _ in range(levels):
        result = {"a": result}
    return result


@dataclass
class Box:
    """Tools that say what they were called with."""

    tools: tuple[Tool, ...] = (ADD,)
    called: list[Mapping[str, object]] = field(default_factory=list["Mapping[str, object]"])

    def call(self, tool: Tool, arguments: Mapping[str, object]) -> str:
        self.called.append(arguments)
        return f"{tool.own_name} says 3"


def use(box: Box, *, allowed: bool = True) -> ToolLoop:
    return ToolLoop(toolbox=box, approve=lambda _tool, _arguments: allowed)


def calling(*pieces: object, text: str | None = None) -> list[bytes]:
    return stream(event(text, tool_calls=list(pieces)), event(None, finish="tool_calls"))


def piece(
    name: str = "add", arguments: str = '{"a": 1}', *, index: int = 0, call: str = "c1"
) -> dict[str, object]:
    return {"index": index, "id": call, "function": {"name": name, "arguments": arguments}}


def turns(script: Script, request: int) -> list[dict[str, object]]:
    messages = script.requests[request].body["messages"]
    assert isinstance(messages, list)
    return cast("list[dict[str, object]]", messages)


@pytest.mark.parametrize(
    ("text", "label", "url", "command"),
    [
        ("http://[::1]:8000/mcp", "::1:8000", "http://[::1]:8000/mcp", ()),
        ("https://me:secret@h/mcp?key=x", "h", "https://me:secret@h/mcp?key=x", ()),
        ("/opt/it/serve 'a b' c", "serve", "", ("/opt/it/serve", "a b", "c")),
    ],
)
def test_a_server_is_a_url_or_a_command_and_its_label_has_no_secrets(
    text: str, label: str, url: str, command: tuple[str, ...]
) -> None:
    address = parse_tool_server(text)

    assert (address.label, address.url, address.command) == (label, url, command)


@pytest.mark.parametrize("text", ["", " ", "''", "'unfinished", "http://", "a\0b", "http://h:x/"])
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_tool_server(text)


def test_a_tool_has_a_name_that_the_chat_api_allows_and_a_clean_description() -> None:
    tool = read_tool("calc", "math.add", "Adds\x1b[2J." + "x" * 9999, SCHEMA)

    assert (tool.name, tool.own_name) == ("math_add", "math.add")
    assert tool.description.startswith("Adds.xxx")
    assert len(tool.description) <= 2048


@pytest.mark.parametrize("name", ["", "a b", "a\x1b[2J", "ä", "x" * 65, "add\n"])
def test_a_tool_whose_name_is_none_is_refused(name: str) -> None:
    with pytest.raises(ToolRefused, match="is not a valid name of a tool"):
        read_tool("calc", name, "", SCHEMA)


@pytest.mark.parametrize(
    "schema",
    [{"description": "x" * 16384}, {"description": "\ud800"}, deep(100_000)],
    ids=["large", "surrogate", "deep"],
)
def test_a_tool_whose_schema_is_none_is_refused(schema: Mapping[str, object]) -> None:
    with pytest.raises(ToolRefused, match="the schema of the arguments of add "):
        read_tool("calc", "add", "", schema)


def test_calls_are_put_together_from_their_pieces() -> None:
    reader = CallReader()
    reader.feed(None)
    reader.feed([piece(arguments="", call="x"), piece("mul", "{}", index=1, call="")])
    reader.feed([{"index": 0, "function": {"arguments": '{"a":'}}])
    reader.feed([{"index": 0, "function": {"arguments": " 1}"}}])

    first, second = reader.calls()

    assert (first.id, first.name, first.arguments) == ("x", "add", {"a": 1})
    assert (second.id, second.name, second.arguments) == ("call_1", "mul", {})


def test_calls_without_an_index_are_one_after_another() -> None:
    reader = CallReader()
    reader.feed([{"function": {"name": "a"}}, {"function": {"name": "b"}}])

    assert [call.name for call in reader.calls()] == ["a", "b"]


@pytest.mark.parametrize("text", ["[]", "{", '{"a": "\\ud800"}', '{"a": NaN}', "[" * 60_000])
def test_arguments_that_are_no_json_object_are_none(text: str) -> None:
    reader = CallReader()
    reader.feed([piece(arguments=text)])

    (call,) = reader.calls()

    assert call.arguments is None
    assert call.for_request()["function"] == {"name": "add", "arguments": "{}"}


@pytest.mark.parametrize(
    "pieces",
    [
        "text",
        ["text"],
        [{"index": 0}],
        [piece(index=-1)],
        [piece(index=16)],
        [piece(arguments="x" * 65537)],
        [{"index": 0, "function": {"name": 7}}],
        [{"index": 0, "id": 7, "function": {"name": "a"}}],
    ],
)
def test_what_is_no_call_or_too_long_ends_the_answer(pieces: object) -> None:
    with pytest.raises(ChatError, match="tool call"):
        CallReader().feed(pieces)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"content": [{"type": "text", "text": "a\x1b[2J\x9d"}]}, "a"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb"),
        ({"content": [{"type": "text", "text": "no"}], "isError": True}, "Error: no"),
        ({"content": [], "structuredContent": {"a": 1}}, '{"a": 1}'),
        ({"content": []}, ""),
        (
            {"content": [{"type": "image", "data": "aGk=", "mimeType": "image/png"}]},
            "(image/png: no text)",
        ),
        (
            {"content": [{"type": "resource", "resource": {"uri": "a:b", "text": "it"}}]},
            "it",
        ),
        (
            {"content": [{"type": "resource", "resource": {"uri": "a:b", "blob": "aGk="}}]},
            "(a:b: no text)",
        ),
        ({"content": [{"type": "resource_link", "uri": "a:b", "name": "n"}]}, "(a:b)"),
    ],
)
def test_a_result_is_told_as_clean_text(content: object, expected: str) -> None:
    result = mcp_types.CallToolResult.model_validate(content)

    assert result_text(result) == expected


def test_a_long_result_is_cut_off_and_says_so() -> None:
    content = {"content": [{"type": "text", "text": "x" * 20_000}]}

    text = result_text(mcp_types.CallToolResult.model_validate(content))

    assert len(text) < 17_000
    assert text.endswith("x\n(cut off: 20000 characters in all)")


def test_an_answer_goes_on_with_what_a_tool_said(script: Script, session: ChatSession) -> None:
    script.add(calling(piece(), text="Let me see."), words("It is 3."))
    session.tools = use(box := Box())

    text = "".join(session.ask("1+2?"))

    assert text == "Let me see.\nIt is 3."
    assert box.called == [{"a": 1}]
    assert script.requests[0].body["tools"] == [
        {
            "type": "function",
            "function": {"name": "add", "description": "Add.", "parameters": {"type": "object"}},
        }
    ]
    function = {"name": "add", "arguments": '{"a": 1}'}
    assert turns(script, 1)[2:] == [
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "add says 3"},
    ]
    assert [each.answer for each in session.conversation.exchanges] == [text]


@pytest.mark.parametrize("member", ["reasoning_content", "reasoning"])
def test_a_model_is_told_what_it_thought_before_it_called_a_tool(
    script: Script, session: ChatSession, member: str
) -> None:
    thought = [event(None, **{member: text}) for text in ("I ", "add.")]
    called = event(None, tool_calls=[piece()])
    script.add(stream(*thought, called, event(None, finish="tool_calls")), words("It is 3."))
    session.tools = use(Box())

    assert "".join(session.ask("1+2?")) == "It is 3."
    said = turns(script, 1)[-2]
    assert said.keys() == {"role", "content", "tool_calls", member}
    assert said[member] == "I add."


def test_halves_of_a_character_are_joined_before_they_are_sent_back(
    script: Script, session: ChatSession
) -> None:
    said = [event(half) for half in ("\ud83d", "\ude00", "\ud83d")]
    thought = [event(None, reasoning_content=half) for half in ("\ud83d", "\ude00")]
    called = event(None, tool_calls=[piece()])
    script.add(stream(*thought, *said, called, event(None, finish="tool_calls")), words("Yes."))
    session.tools = use(Box())

    list(session.ask("1+2?"))

    turn = turns(script, 1)[-2]
    assert (turn["content"], turn["reasoning_content"]) == ("\U0001f600\ufffd", "\U0001f600")


@pytest.mark.parametrize(
    ("called", "allowed", "told"),
    [
        (piece("nothing\x1b[2J"), True, r"Error: there is no tool nothing\x1b[2J"),
        (piece(arguments="["), True, "Error: the arguments of add are a JSON object"),
        (piece(), False, "Error: the user does not allow this call"),
    ],
)
def test_the_model_is_told_why_nothing_was_called(
    script: Script,
    session: ChatSession,
    called: dict[str, object],
    allowed: bool,  # noqa: FBT001 - a column of the table
    told: str,
) -> None:
    script.add(calling(called), words("Oh."))
    session.tools = use(box := Box(), allowed=allowed)

    assert "".join(session.ask("1+2?")) == "Oh."
    assert box.called == []
    assert turns(script, 1)[-1]["content"] == told


def test_a_model_that_never_stops_calling_is_not_allowed_to_at_last(
    script: Script, session: ChatSession
) -> None:
    script.add(*(calling(piece()) for _ in range(MOST_ROUNDS + 1)))
    session.tools = use(box := Box())

    assert "".join(session.ask("1+2?")) == ""
    assert len(box.called) == MOST_ROUNDS
    choices = [request.body.get("tool_choice") for request in script.requests]
    assert choices == [*[None] * MOST_ROUNDS, "none"]


@pytest.mark.parametrize(
    ("delta", "text", "thoughts"),
    [
        ({}, "3.", []),
        ({"content": "Hm."}, "Hm.\n3.", []),
        ({"content": "Hm.\n"}, "Hm.\n3.", []),
        ({"reasoning_content": "Add?"}, "3.", ["Add?", "\n"]),
        ({"reasoning_content": "Add?\n"}, "3.", ["Add?\n"]),
        ({"reasoning_content": "Add?", "content": "Hm."}, "Hm.\n3.", ["Add?"]),
    ],
)
def test_a_call_comes_on_a_line_of_its_own(
    script: Script,
    session: ChatSession,
    delta: dict[str, str],
    text: str,
    thoughts: list[str],
) -> None:
    called = event(None, tool_calls=[piece()], **delta)
    script.add(stream(called, event(None, finish="tool_calls")), words("3."))
    session.tools = use(Box())
    thought: list[str] = []

    assert "".join(session.ask("1+2?", on_reasoning=thought.append)) == text
    assert thought == thoughts


def test_a_request_without_tools_is_as_it_ever_was(script: Script, session: ChatSession) -> None:
    script.add(words("Hi."))
    session.tools = use(Box(tools=()))

    assert "".join(session.ask("Hi")) == "Hi."
    assert script.requests[0].body.keys() == {"model", "messages", "stream", "stream_options"}


@pytest.mark.parametrize("rounds", [0, 1])
def test_only_a_prompt_that_called_nothing_yet_may_be_asked_again(
    script: Script, session: ChatSession, rounds: int
) -> None:
    full = json.dumps({"error": {"message": "full", "n_ctx": 9, "n_prompt_tokens": 99}})
    script.add(*[calling(piece())] * rounds, refusal(400, full))
    session.tools = use(Box())

    with pytest.raises(ChatError, match="99 tokens") as caught:
        "".join(session.ask("1+2?"))

    assert isinstance(caught.value, ContextExceeded) == (rounds == 0)
    assert session.conversation.exchanges == ()


class Terminal(io.StringIO):
    """A terminal at which the user has typed already."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 0


def asking(*, stdin: io.StringIO, always: bool = False) -> tuple[Callable[[], bool], io.StringIO]:
    stderr = io.StringIO()
    approval = Approval(stdin=stdin, stderr=stderr, always=always)
    return lambda: approval(ADD, {"a": "ä\x9b2J"}), stderr


@pytest.mark.parametrize(
    ("typed", "allowed"),
    [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False), ("yo\n", False)],
)
def test_the_user_is_asked_each_time(typed: str, allowed: bool) -> None:  # noqa: FBT001 - a column
    ask, stderr = asking(stdin=Terminal(typed))

    assert ask() is allowed
    assert ask() is False
    question = 'Tool call: calc: add {"a": "ä\\x9b2J"}\nCall calc: add? [y]es, [n]o, [a]lways: '
    assert stderr.getvalue().count(question) == 2


def shown(arguments: Mapping[str, object], *, always: bool = False) -> str:
    """Return what a user sees of a call with *arguments*."""
    stderr = io.StringIO()
    Approval(stdin=Terminal("n\n"), stderr=stderr, always=always)(ADD, arguments)
    return stderr.getvalue()


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize(
    ("argument", "seen"),
    [
        pytest.param("\u202egnp.exe", r"\u202egnp.exe", id="override"),
        pytest.param("a\U000e0041\U000e0042", r"a\U000e0041\U000e0042", id="tags"),
        pytest.param("a\x85Call it?", r"a\x85Call it?", id="next-line"),
        pytest.param("a\u2028Call it?", r"a\u2028Call it?", id="line-separator"),
        pytest.param("a\nb\x1b[2J", r"a\nb\u001b[2J", id="what-json-escapes"),
        pytest.param("a" + " " * 160 + "b", r"a\{160 spaces}b", id="spaces"),
        pytest.param("a" + "\u00a0" * 2 + "b", r"a\xa0\xa0b", id="other-spaces"),
        pytest.param("if x:\n    y", r"if x:\n    y", id="an-indentation"),
        pytest.param(r"\u202e \{160 spaces}", r"\\u202e \\{160 spaces}", id="faked-escapes"),
        pytest.param("שלום 中文 🦭", "שלום 中文 🦭", id="letters"),
    ],
)
def test_a_call_is_shown_as_it_is_made(argument: str, seen: str, *, always: bool) -> None:
    assert f'calc: add {{"p": "{seen}"}}' in shown({"p": argument}, always=always)


def test_the_question_comes_last_and_on_a_line_of_its_own() -> None:
    faked = {"p": "x" * 80 + "? [y]es, [n]o, [a]lways: y" + " " * 500}

    assert shown(faked).splitlines()[-1] == "Call calc: add? [y]es, [n]o, [a]lways: "


def test_a_tool_that_is_always_allowed_is_told_and_not_asked_for() -> None:
    ask, stderr = asking(stdin=Terminal("a\n"))

    assert (ask(), ask()) == (True, True)
    assert stderr.getvalue().count("Call ") == 1
    assert stderr.getvalue().endswith('(tool: calc: add {"a": "ä\\x9b2J"})\n')


@pytest.mark.parametrize("always", [True, False])
def test_without_a_terminal_only_an_option_allows_a_tool(always: bool) -> None:  # noqa: FBT001
    ask, stderr = asking(stdin=io.StringIO("y\ny\n"), always=always)

    assert ask() is always
    assert ("refused" in stderr.getvalue()) is not always


def test_arguments_too_long_to_show_say_so() -> None:
    stderr = io.StringIO()
    approval = Approval(stdin=Terminal("n\n"), stderr=stderr, always=False)

    approval(ADD, {"a": "x" * 5000})

    assert "… and 3009 more characters\nCall calc: add? [y]es" in stderr.getvalue()


def test_tools_are_listed_where_there_are_some() -> None:
    assert "use --mcp to name a server" in talk("/tools\n").err
