from ramalama_chat import Conversation, Exchange


def test_user_and_assistant_alternate_under_the_system_prompt() -> None:
    conversation = Conversation(system="Be brief.")

    conversation.record("Hi", "Hello.")

    assert [message["role"] for message in conversation.messages("Ciao")] == [
        "system",
        "user",
        "assistant",
        "user",
    ]


def test_a_prompt_without_an_answer_is_not_kept() -> None:
    conversation = Conversation()

    conversation.record("Hi", "")

    assert conversation.exchanges == ()
    assert conversation.messages("Ciao") == [{"role": "user", "content": "Ciao"}]


def test_clearing_forgets_what_was_said_but_not_the_system_prompt() -> None:
    conversation = Conversation(system="Be brief.")
    conversation.record("Hi", "Hello.")
    assert conversation.exchanges == (Exchange("Hi", "Hello."),)

    conversation.clear()

    assert conversation.messages("Ciao") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Ciao"},
    ]


def test_an_opening_stands_before_what_was_said_and_is_never_forgotten() -> None:
    conversation = Conversation(opening=(("user", "2+2?"), ("assistant", "4")))
    conversation.record("Hi", "Hello.")

    conversation.clear()

    assert [message["content"] for message in conversation.messages("3+3?")] == [
        "2+2?",
        "4",
        "3+3?",
    ]


def test_dropping_forgets_the_oldest_and_at_least_one() -> None:
    conversation = Conversation()
    for number in range(4):
        conversation.record(f"{number}", "12345")

    assert conversation.drop_oldest(1000) == 1
    assert conversation.drop_oldest(6) == 2
    assert conversation.exchanges == (Exchange("3", "12345"),)
    assert conversation.drop_oldest(6) == 1
    assert conversation.drop_oldest(6) == 0


def test_pictures_go_along_with_their_prompt() -> None:
    conversation = Conversation()
    conversation.record("What?", "A dot.", ["data:,1"])

    (picture, *_) = conversation.messages("And?")

    assert picture["content"] == [
        {"type": "text", "text": "What?"},
        {"type": "image_url", "image_url": {"url": "data:,1"}},
    ]
