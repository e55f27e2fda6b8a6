"""What both colors of an answer have in common."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, cast

import pytest
from pydantic import BaseModel

from ramalama_chat import (
    AnswerInvalid,
    AnswerTimedOut,
    ChatError,
    ContextExceeded,
    Exchange,
    InputRefused,
    ServerGone,
    SessionBusy,
    Usage,
)
from ramalama_chat.session.knowledge import Finding, Source
from ramalama_chat.session.tool_loop import ToolLoop
from ramalama_chat.tools.functions import FunctionTools
from tests.unit.chat.scripted_server import (
    Script,
    answer_json,
    chunk,
    endless,
    event,
    refusal,
    stream,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.unit.chat.both import Chat

FULL = {"error": {"message": "too long", "n_prompt_tokens": 9, "n_ctx": 8}}


class Pet(BaseModel):
    name: str
    legs: int


def dripping() -> Iterable[bytes]:
    """Begin an answer, and send a comment now and then, for ever."""
    yield from stream(event("Once"), end=b"", whole=False)
    while True:
        time.sleep(0.02)
        yield chunk(b": still here\n\n")


def silent() -> Iterable[bytes]:
    yield from stream(event("Once"), end=b"", whole=False)
    time.sleep(1)


def test_an_answer_knows_its_text_its_tokens_and_why_it_ended(script: Script, chat: Chat) -> None:
    usage = {"choices": list[object](), "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
    script.add(stream(event("Hel"), event("lo"), event(None, finish="stop"), usage))

    answer = chat.session.ask("Hi")
    assert chat.rest(answer) == ["Hel", "lo"]

    assert answer.text == "Hello"
    assert answer.finish_reason == "stop"
    assert answer.usage == Usage(prompt_tokens=9, completion_tokens=2)
    assert answer.parsed is None
    assert chat.session.conversation.exchanges == (Exchange("Hi", "Hello"),)
    assert "5 characters, stop" in repr(answer)


def test_what_is_given_for_one_answer_is_sent_with_it_alone(script: Script, chat: Chat) -> None:
    script.add(words("A"), words("B"))
    chat.session.parameters.update(stop=["<|end|>"], temperature=0.5)

    chat.read(chat.session.ask("Hi", max_tokens=3, temperature=0, stop="."))
    chat.read(chat.session.ask("Hi", stop=("!", "?")))

    first, second = (request.body for request in script.requests)
    assert (first["max_tokens"], first["temperature"]) == (3, 0)
    assert first["stop"] == ["<|end|>", "."]
    assert ("max_tokens" in second, second["temperature"]) == (False, 0.5)
    assert second["stop"] == ["<|end|>", "!", "?"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"timeout": 0}, "timeout must be a number of seconds above 0, not 0"),
        ({"timeout": "5"}, "timeout must be a number of seconds above 0, not '5'"),
        ({"max_tokens": 0}, "max_tokens must be an integer, 1 or more, not '0'"),
        ({"max_tokens": True}, "max_tokens must be an integer"),
        ({"temperature": float("nan")}, "temperature must be a number, 0 or more"),
        ({"stop": 3}, "stop must be a text or several texts, not 3"),
        ({"stop": [3]}, "stop must be a text or several texts"),
        ({"tools": ["weather"]}, "tools must be a list of functions, not \\['weather'\\]"),
        ({"tools": len}, "tools must be a list of functions, not <built-in function len>"),
        ({"schema": "Animal"}, "schema must be a class or a JSON schema, not 'Animal'"),
        ({"schema": {"x": {1}}}, "schema is not JSON that a request can carry"),
        ({"schema": Script}, "Script has no JSON schema"),
        ({"tools": [lambda: 0]}, "the tool <lambda> cannot be described to a model"),
    ],
)
def test_a_wrong_value_is_refused_at_once_by_its_name(
    chat: Chat, options: Mapping[str, object], why: str
) -> None:
    ask = cast("Callable[..., object]", chat.session.ask)
    with pytest.raises(InputRefused, match=why):
        ask("Hi", **options)


def test_a_prompt_that_is_no_text_is_refused_by_its_name(chat: Chat) -> None:
    ask = cast("Callable[..., object]", chat.session.ask)
    with pytest.raises(InputRefused, match="prompt must be a text, not None"):
        ask(None)


def test_a_conversation_says_whom_it_asks_and_how_long_it_is(script: Script, chat: Chat) -> None:
    script.add(words("A"))
    chat.read(chat.session.ask("Hi"))
    assert repr(chat.session).endswith(f"with {chat.session.model}, 1 exchanges>")


def test_a_refusal_is_known_before_the_first_word(script: Script, chat: Chat) -> None:
    script.add(refusal(400, '{"error": {"n_prompt_tokens": 9, "n_ctx": 8}}'), endless("ha"))

    with pytest.raises(ContextExceeded):
        chat.begin(chat.session.ask("Hi"))

    answer = chat.session.ask("Laugh")
    chat.begin(answer)
    chat.begin(answer)
    assert answer.text == ""
    assert chat.first(answer) == "ha"
    chat.close(answer)


def test_closing_an_answer_frees_the_server_and_keeps_what_came(script: Script, chat: Chat) -> None:
    script.add(endless("ha"))

    answer = chat.session.ask("Laugh")
    assert chat.first(answer) == "ha"
    chat.close(answer)
    chat.close(answer)

    assert script.client_left.wait(10)
    assert chat.rest(answer) == []
    assert answer.text.startswith("ha")
    assert chat.session.conversation.exchanges[0].answer == answer.text
    assert "interrupted" in repr(answer)


def test_an_answer_that_was_never_begun_sends_nothing(script: Script, chat: Chat) -> None:
    chat.close(chat.session.ask("Hi"))
    chat.session.ask("Hi")

    assert script.requests == []
    assert chat.session.conversation.exchanges == ()


def test_a_session_answers_one_prompt_at_a_time(script: Script, chat: Chat) -> None:
    script.add(endless("ha"), words("Bye."))
    early = chat.session.ask("Early")
    answer = chat.session.ask("Laugh")
    chat.first(answer)

    with pytest.raises(SessionBusy, match="already answers another prompt"):
        chat.session.ask("Hi")
    with pytest.raises(SessionBusy):
        chat.first(early)
    chat.close(answer)

    assert chat.read(chat.session.ask("Bye")) == "Bye."
    assert len(script.requests) == 2


def test_a_session_is_free_after_an_answer_that_failed_or_was_dropped(
    script: Script, chat: Chat
) -> None:
    script.add([b""], endless("ha"), words("Bye."))

    with pytest.raises(ServerGone):
        chat.read(chat.session.ask("Hi"))
    chat.first(chat.session.ask("Laugh"))
    gc.collect()

    assert chat.read(chat.session.ask("Bye")) == "Bye."


@pytest.mark.parametrize("answer", [dripping, silent])
def test_a_timeout_is_for_the_whole_answer(
    script: Script, chat: Chat, answer: Callable[[], Iterable[bytes]]
) -> None:
    script.add(answer())

    asked, began = chat.session.ask("Tell me.", timeout=0.2), time.monotonic()
    with pytest.raises(AnswerTimedOut, match=r"not complete after 0\.2 seconds") as caught:
        chat.read(asked)

    assert 0.15 < time.monotonic() - began < 0.9
    assert isinstance(caught.value, TimeoutError)
    assert asked.text == "Once"
    assert chat.session.conversation.exchanges == ()


@pytest.mark.parametrize("seconds", [1e30, float("inf")])
def test_a_timeout_without_end_is_none(chat: Chat, script: Script, seconds: float) -> None:
    script.add(words("Hello"))

    assert chat.read(chat.session.ask("Hi", timeout=seconds)) == "Hello"


def test_a_timeout_counts_the_wait_for_a_server_that_loads_its_model(
    script: Script, chat: Chat
) -> None:
    loading = refusal(503, '{"error": {"message": "Loading model", "code": 503}}')
    script.add(*[loading] * 100)

    with pytest.raises(AnswerTimedOut):
        chat.read(chat.session.ask("Hi", timeout=0.5))

    assert 1 < len(script.requests) < 10


def test_an_answer_within_its_time_is_as_any_other(script: Script, chat: Chat) -> None:
    script.add(words("Hel", "lo"))

    assert chat.rest(chat.session.ask("Hi", timeout=30)) == ["Hel", "lo"]


def test_a_class_as_schema_gives_an_instance(script: Script, chat: Chat) -> None:
    script.add(words('{"name": "Rex",', ' "legs": 4}'))

    answer = chat.session.ask("A dog", schema=Pet)
    with pytest.raises(AnswerInvalid, match="not complete"):
        _ = answer.parsed
    chat.read(answer)

    pet: Pet = answer.parsed
    assert pet == Pet(name="Rex", legs=4)
    assert answer.parsed is pet
    sent = script.requests[0].body["response_format"]
    assert isinstance(sent, dict)
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["schema"] == Pet.model_json_schema()


def test_a_json_schema_gives_the_json_value(script: Script, chat: Chat) -> None:
    script.add(words("[1, 2]"))

    answer = chat.session.ask("Numbers", schema={"type": "array"})
    chat.read(answer)

    assert answer.parsed == [1, 2]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"name": "Rex"', "Invalid JSON"),
        ('{"name": "Rex"}', "legs: Field required"),
        ('{"name": "Rex", "legs": "many"}', "legs: Input should be a valid integer"),
    ],
)
def test_an_answer_that_does_not_follow_its_schema_says_so(
    script: Script, chat: Chat, text: str, why: str
) -> None:
    script.add(stream(event(text), event(None, finish="length")))

    answer = chat.session.ask("A dog", schema=Pet)
    assert chat.read(answer) == text

    with pytest.raises(AnswerInvalid, match=f"does not follow the schema: .*{why}"):
        _ = answer.parsed


def test_a_text_that_is_no_json_has_no_value(script: Script, chat: Chat) -> None:
    script.add(words("Sorry."))

    answer = chat.session.ask("Numbers", schema={"type": "array"})
    chat.read(answer)

    with pytest.raises(AnswerInvalid, match="is not valid JSON"):
        _ = answer.parsed


def test_reasoning_is_told_and_is_no_part_of_the_answer(script: Script, chat: Chat) -> None:
    script.add(
        stream(event(None, reasoning_content="Hm."), event("42"), event(None, finish="stop"))
    )
    thoughts: list[str] = []

    assert chat.read(chat.session.ask("6 x 7?", on_reasoning=thoughts.append)) == "42"
    assert thoughts == ["Hm."]
    assert chat.session.has_reasoned


def test_a_lost_request_is_sent_once_more_if_the_session_says_so(
    script: Script, chat: Chat
) -> None:
    script.add([b""], words("Hello."), [b""], [b""])
    chat.session.repeats = True

    assert chat.read(chat.session.ask("Hi")) == "Hello."
    with pytest.raises(ServerGone):
        chat.read(chat.session.ask("Hi"))
    assert len(script.requests) == 4


class Library:
    """Finds the same passage for every question."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Sequence[str], int | None]] = []

    def look_up(self, question: str, earlier: Sequence[str], room: int | None) -> Finding:
        self.asked.append((question, list(earlier), room))
        return Finding(prompt=f"[1] {question}", sources=(Source(label="guide"),))


def test_documents_are_searched_for_each_question(script: Script, chat: Chat) -> None:
    models = {"data": [{"id": "smollm2", "max_model_len": 2048}]}
    script.add(answer_json(models), words("So [1]."), words("No."))
    library = chat.session.knowledge = Library()

    chat.read(chat.session.ask("Why?"))
    assert chat.session.cited() == [(1, Source(label="guide"))]
    chat.read(chat.session.ask("How?"))

    assert library.asked == [("Why?", [], 2048), ("How?", ["Why?"], 2048)]
    assert chat.session.cited() == []
    assert chat.session.conversation.exchanges[0] == Exchange("Why?", "So [1].")


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


def calling(name: str, arguments: str) -> list[bytes]:
    call = {"index": 0, "id": "c1", "function": {"name": name, "arguments": arguments}}
    return stream(event(None, tool_calls=[call]), event(None, finish="tool_calls"))


def results(script: Script) -> list[object]:
    messages = cast("list[dict[str, object]]", script.requests[-1].body["messages"])
    return [turn["content"] for turn in messages if turn["role"] == "tool"]


def test_a_model_calls_functions_and_no_one_is_asked(script: Script, chat: Chat) -> None:
    script.add(calling("add", '{"a": "2", "b": 3}'), words("It is 5."))

    answer = chat.session.ask("2 + 3?", tools=[add])

    assert chat.read(answer) == "It is 5."
    assert results(script) == ["5"]
    (tool,) = cast("list[dict[str, dict[str, object]]]", script.requests[0].body["tools"])
    assert tool["function"]["name"] == "add"
    assert tool["function"]["description"] == "Add two numbers."


def test_the_tools_of_the_session_are_used_in_both_colors(script: Script, chat: Chat) -> None:
    script.add(calling("add", '{"a": 2}'), words("3"), calling("add", '{"a": 5}'), words("No."))
    chat.session.tools = ToolLoop(
        toolbox=FunctionTools([add]), approve=lambda _tool, arguments: arguments["a"] == 2
    )

    chat.read(chat.session.ask("2 + 1?"))
    assert results(script) == ["3"]
    chat.read(chat.session.ask("5 + 1?"))
    assert results(script) == ["Error: the user does not allow this call"]


def test_results_that_do_not_fit_are_no_reason_to_ask_again(script: Script, chat: Chat) -> None:
    script.add(calling("add", '{"a": 2}'), answer_json(FULL))

    with pytest.raises(ChatError, match="the results of the tools do not fit") as caught:
        chat.read(chat.session.ask("2 + 1?", tools=[add]))

    assert not isinstance(caught.value, ContextExceeded)
