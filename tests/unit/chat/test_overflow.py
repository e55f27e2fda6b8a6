import pytest

from ramalama_chat import ChatSession, ContextExceeded
from ramalama_chat.overflow import ask_with_room
from tests.unit.chat.scripted_server import Script, refusal, words

FULL = '{"error": {"n_prompt_tokens": 400, "n_ctx": 200, "message": "too long"}}'
WITHOUT_NUMBERS = '{"error": {"message": "maximum context length is 200 tokens"}}'


@pytest.mark.parametrize(
    ("body", "dropped"), [(FULL, [3]), (WITHOUT_NUMBERS, [2])], ids=["counted", "not-counted"]
)
def test_the_oldest_exchanges_make_room_for_the_question(
    script: Script, session: ChatSession, body: str, dropped: list[int]
) -> None:
    for number in range(4):
        session.conversation.record(f"prompt {number}", "answer 1")
    script.add(refusal(400, body), words("Yes."))
    told: list[int] = []

    answer = "".join(ask_with_room(session, "Is it?", on_dropped=told.append))

    assert answer == "Yes."
    assert told == dropped
    assert len(session.conversation.exchanges) == 4 - dropped[0] + 1
    assert session.conversation.system == "Be brief."


def test_a_server_that_never_has_room_is_asked_until_nothing_is_left(
    script: Script, session: ChatSession
) -> None:
    session.conversation.record("Hi", "Hello.")
    script.add(refusal(400, FULL), refusal(400, FULL))

    with pytest.raises(ContextExceeded, match="400 tokens"):
        list(ask_with_room(session, "Is it?", on_dropped=lambda _: None))

    assert len(script.requests) == 2
    assert session.conversation.exchanges == ()
