from contextlib import suppress

import pytest

from ramalama_chat import ChatError, ChatSession, ContextExceeded, RequestFailed
from ramalama_chat.repl.context_window import ask_within_context
from tests.unit.chat.scripted_server import Script, event, refusal, stream, words

FULL = '{"error": {"n_prompt_tokens": 400, "n_ctx": 200, "message": "too long"}}'
WITH_ABSURD_NUMBERS = FULL.replace("400", "1" + "0" * 400).replace("too", "context length: too")
WITHOUT_NUMBERS = '{"error": {"message": "maximum context length is 200 tokens"}}'


@pytest.mark.parametrize(
    ("body", "dropped"),
    [(FULL, [3]), (WITHOUT_NUMBERS, [2]), (WITH_ABSURD_NUMBERS, [2])],
    ids=["counted", "not-counted", "counted-absurdly"],
)
def test_the_oldest_exchanges_make_room_for_the_question(
    script: Script, session: ChatSession, body: str, dropped: list[int]
) -> None:
    for number in range(4):
        session.conversation.record(f"prompt {number}", "answer 1")
    script.add(refusal(400, body), words("Yes."))
    told: list[int] = []

    answer = "".join(ask_within_context(session, "Is it?", on_dropped=told.append))

    assert answer == "Yes."
    assert told == dropped
    assert len(session.conversation.exchanges) == 4 - dropped[0] + 1
    assert session.conversation.system == "Be brief."


@pytest.mark.parametrize(
    ("last", "failure"),
    [(refusal(400, FULL), ContextExceeded), (refusal(500, "oh"), RequestFailed)],
    ids=["too-long-by-itself", "another-failure"],
)
def test_a_question_without_an_answer_costs_no_memories(
    script: Script, session: ChatSession, last: list[bytes], failure: type[ChatError]
) -> None:
    for number in range(4):
        session.conversation.record(f"prompt {number}", "answer 1")
    before = session.conversation.exchanges
    script.add(refusal(400, FULL), refusal(400, FULL), last)
    told: list[int] = []

    with pytest.raises(failure):
        list(ask_within_context(session, "Is it?", on_dropped=told.append))

    assert len(script.requests) == 3
    assert session.conversation.exchanges == before
    assert told == []


def test_what_an_answer_has_cost_is_told_before_its_first_thought(
    script: Script, session: ChatSession
) -> None:
    session.conversation.record("Hi", "Hello.")
    script.add(refusal(400, FULL), stream(event("", finish="stop", reasoning_content="Hm.")))
    told: list[object] = []

    answer = ask_within_context(session, "Is it?", on_reasoning=told.append, on_dropped=told.append)

    assert "".join(answer) == ""
    assert told == [1, "Hm."]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([event(None, reasoning_content="Hm.")], id="dies-while-it-thinks"),
        pytest.param([event("", finish="stop")], id="empty"),
    ],
)
def test_an_answer_of_which_nothing_stays_costs_no_memories(
    script: Script, session: ChatSession, answer: list[object]
) -> None:
    session.conversation.record("Hi", "Hello.")
    before = session.conversation.exchanges
    script.add(refusal(400, FULL), stream(*answer))
    told: list[object] = []

    with suppress(ChatError):
        list(
            ask_within_context(session, "Is it?", on_reasoning=told.append, on_dropped=told.append)
        )

    assert session.conversation.exchanges == before


def test_what_was_heard_of_an_answer_stays_in_place_of_what_it_has_cost(
    script: Script, session: ChatSession
) -> None:
    session.conversation.record("Hi", "Hello.")
    script.add(refusal(400, FULL), words("Yes, ", "it is."))

    told: list[int] = []

    answer = ask_within_context(session, "Is it?", on_dropped=told.append)
    next(answer)
    answer.close()

    assert [each.prompt for each in session.conversation.exchanges] == ["Is it?"]
    assert told == [1]
