"""A server with made-up answers, to its clients and to the library's own."""

from __future__ import annotations

import asyncio
import json
import time
import typing
from typing import TYPE_CHECKING

import openai
import pytest
from openai.types.chat.chat_completion import Choice

from ramalama.errors import OptionRefused
from ramalama.testing import FakeServer, Question, Reply, fake_server
from ramalama_chat.errors import ContextExceeded, RequestFailed, ServerGone

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

    from ramalama.serving.served_model import ServedModel

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello!"}]


def ask(server: ServedModel, prompt: str = "Hi") -> str:
    return "".join(server.chat().ask(prompt))


def test_one_answer_is_given_to_every_question() -> None:
    with fake_server("Hello there,\n  you two!") as server:
        assert [ask(server), ask(server)] == ["Hello there,\n  you two!"] * 2


def test_several_answers_come_in_their_order_and_then_a_failure_says_so() -> None:
    with fake_server(["one", Reply("two")]) as server:
        assert [ask(server), ask(server)] == ["one", "two"]
        with pytest.raises(RequestFailed, match="all answers of the fake server are used up"):
            ask(server)


def test_a_mapping_answers_by_what_the_prompt_contains() -> None:
    with fake_server({"sky": "blue", "grass": "green"}) as server:
        assert ask(server, "What colour has grass?") == "green"
        with pytest.raises(RequestFailed, match="has no answer to 'Hi'"):
            ask(server)


def test_a_function_answers_what_it_is_asked() -> None:
    def answer(question: Question) -> str:
        return f"{question.system} {question.prompt.upper()}"

    with fake_server(answer) as server:
        assert "".join(server.chat(system="Loud:").ask("Hi")) == "Loud: HI"


def test_what_a_function_raises_is_in_the_failure() -> None:
    def answer(_question: Question) -> str:
        raise LookupError("no such thing")  # noqa: EM101, TRY003

    with fake_server(answer) as server, pytest.raises(RequestFailed, match="no such thing") as info:
        ask(server)

    assert info.value.status == 500


def test_the_questions_are_kept() -> None:
    with fake_server() as server:
        chat = server.chat(system="Be brief.")
        list(chat.ask("One?"))
        list(chat.ask("Two?"))

        first, second = server.questions
    assert (first.prompt, second.prompt) == ("One?", "Two?")
    assert second.system == "Be brief."
    assert [message["role"] for message in second.messages] == [
        *("system", "user", "assistant", "user"),
    ]
    assert second.streamed


def test_openais_client_gets_a_whole_answer_with_its_tokens() -> None:
    with fake_server("Good day to you") as server:
        answer = server.client().chat.completions.create(model=server.model, messages=HELLO)

    assert answer.choices[0].message.content == "Good day to you"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (1, 4)


def test_openais_client_gets_a_streamed_answer_word_by_word() -> None:
    with fake_server("Good day") as server:
        chunks = list(
            server.client().chat.completions.create(
                model=server.model,
                messages=HELLO,
                stream=True,
                stream_options={"include_usage": True},
            )
        )

    assert [c.choices[0].delta.content for c in chunks if c.choices] == ["Good", " day", None]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 2


def test_an_asynchronous_client_gets_answers_too() -> None:
    async def ask_both() -> list[str | None]:
        async with fake_server("Hello") as server:
            create = server.async_client().chat.completions.create
            answers = await asyncio.gather(
                *(create(model=server.model, messages=HELLO) for _ in range(2))
            )
        return [answer.choices[0].message.content for answer in answers]

    assert asyncio.run(ask_both()) == ["Hello", "Hello"]


def test_reasoning_comes_before_the_answer() -> None:
    thoughts: list[str] = []
    with fake_server(Reply("42", reasoning="Let me think")) as server:
        said = "".join(server.chat().ask("Why?", on_reasoning=thoughts.append))

    assert (said, "".join(thoughts)) == ("42", "Let me think")


@pytest.mark.parametrize("how", ["whole", "streamed"])
def test_a_tool_is_called(how: str) -> None:
    with fake_server(Reply.call("weather", city="Bonn")) as server:
        client = server.client()
        if how == "streamed":
            with client.chat.completions.stream(model=server.model, messages=HELLO) as events:
                choices = list[Choice](events.get_final_completion().choices)
        else:
            choices = client.chat.completions.create(model=server.model, messages=HELLO).choices

    (choice,) = choices
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls"
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "weather",
        {"city": "Bonn"},
    )


def test_a_failure_has_its_status_and_its_message() -> None:
    with (
        fake_server(Reply.failure(418, "I am a teapot")) as server,
        pytest.raises(openai.APIStatusError, match="teapot") as info,
    ):
        server.client().chat.completions.create(model=server.model, messages=HELLO)

    assert info.value.status_code == 418


def test_a_busy_server_is_asked_again() -> None:
    with fake_server([Reply.failure(503, "busy"), "at last"]) as server:
        assert ask(server) == "at last"


def test_a_conversation_that_is_too_long_is_refused() -> None:
    with fake_server(context_size=3) as server:
        assert ask(server, "one two three") == "Hello!"
        assert server.chat().context_size() == 3
        with pytest.raises(ContextExceeded) as info:
            ask(server, "one two three four")

    assert (info.value.needed, info.value.held) == (4, 3)


def test_a_server_dies_in_the_middle_of_its_answer() -> None:
    heard: list[str] = []
    with fake_server(Reply.death(after="I was just")) as server:
        with pytest.raises(ServerGone):
            heard.extend(server.chat().ask("Hi"))
        with pytest.raises(openai.APIConnectionError):
            server.client().chat.completions.create(model=server.model, messages=HELLO)

    assert "".join(heard) == "I was just"


def test_a_server_dies_before_its_answer() -> None:
    with fake_server(Reply.death()) as server, pytest.raises(ServerGone):
        ask(server)


def test_a_dead_server_cannot_be_reached() -> None:
    with fake_server() as server:
        server.die()
        with pytest.raises(ServerGone, match="cannot be reached"):
            ask(server)


def test_a_slow_answer_comes_word_by_word() -> None:
    with fake_server(Reply("one two three", delay=0.05, pace=0.05)) as server:
        began = time.monotonic()
        times = [time.monotonic() - began for _ in server.chat().ask("Hi")]

    assert [moment >= 0.05 * number for number, moment in enumerate(times, 1)] == [True] * 3


def test_a_client_that_leaves_is_seen_to_have_cancelled_its_question() -> None:
    with fake_server(Reply("one two three", pace=60.0)) as server:
        answer = server.chat().ask("Hi")
        next(answer)
        answer.close()

        (question,) = server.questions
        deadline = time.monotonic() + 10
        while not question.cancelled and time.monotonic() < deadline:
            time.sleep(0.005)
        assert question.cancelled


def test_an_answer_that_was_heard_to_its_end_is_not_cancelled() -> None:
    with fake_server() as server:
        ask(server)

    assert [question.cancelled for question in server.questions] == [False]


def test_closing_does_not_wait_for_a_slow_answer() -> None:
    with fake_server(Reply("late", delay=60.0)) as server:
        began = time.monotonic()

        async def give_up() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await server.async_client().chat.completions.create(
                        model=server.model, messages=HELLO
                    )
            await server.close_async_client()

        asyncio.run(give_up())
    assert time.monotonic() - began < 10


def test_texts_that_share_words_have_vectors_that_are_close() -> None:
    with fake_server() as server:
        data = (
            server.client()
            .embeddings.create(model=server.model, input=["a red cat", "a red dog", "my tax form"])
            .data
        )

    cat, dog, form = (each.embedding for each in data)
    assert product(cat, cat) == pytest.approx(1.0)
    assert product(cat, dog) > product(cat, form)


def test_a_function_makes_the_vectors() -> None:
    with fake_server(embed=lambda text: [float(len(text)), 0.0]) as server:
        answer = server.client().embeddings.create(model=server.model, input="four")

    assert answer.data[0].embedding == [4.0, 0.0]


def product(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_the_model_is_listed_under_its_name() -> None:
    with fake_server(model="tiny") as server:
        assert [each.id for each in server.client().models.list()] == ["tiny"]


def test_an_unknown_path_is_refused() -> None:
    with fake_server() as server, pytest.raises(openai.NotFoundError, match="no POST /v1/images"):
        server.client().images.generate(prompt="a seal")


@pytest.mark.parametrize("wrong", [{"delay": -1.0}, {"pace": -0.1}, {"dies_after": -1}])
def test_a_reply_with_a_negative_number_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(OptionRefused, match="must not be negative"):
        Reply("Hi", **wrong)  # type: ignore[arg-type]


def test_the_answers_have_tokens_and_times() -> None:
    with fake_server("Good day") as server:
        answer = server.chat().ask("Hello you")
        answer.read()

    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 2)
    assert answer.usage.timings["predicted_n"] == 2


def test_an_answer_follows_a_schema() -> None:
    with fake_server('{"colour": "blue"}') as server:
        answer = server.chat().ask("Which?", schema={"type": "object"})
        answer.read()

    assert answer.parsed == {"colour": "blue"}
    assert "response_format" in server.questions[0].body


def test_a_function_is_called_as_a_tool() -> None:
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"Rain in {city}"

    def answer(question: Question) -> Reply | str:
        last = question.messages[-1]
        return (
            f"{last['content']}!" if last["role"] == "tool" else Reply.call("weather", city="Bonn")
        )

    with fake_server(answer) as server:
        assert server.chat().ask("What is it like?", tools=[weather]).read() == "Rain in Bonn!"


def test_an_asynchronous_chat_gets_its_answer() -> None:
    async def chat() -> str:
        async with fake_server("Good day") as server:
            return await server.achat().ask("Hi").read()

    assert asyncio.run(chat()) == "Good day"


def test_it_counts_tokens_and_makes_vectors_as_the_library_asks_for_them() -> None:
    with fake_server() as server:
        assert server.count_tokens("three little words") == 3
        assert server.count_tokens([{"role": "user", "content": "two words"}]) == 2
        one, other = server.embed(["a red cat", "a red cat"])

    assert one == other


def test_its_health_is_that_of_a_server_that_is_ready_and_then_of_one_that_is_gone() -> None:
    with fake_server(Reply("one two", pace=60.0)) as server:
        idle = server.health()
        answer = server.chat().ask("Hi")
        next(answer)
        busy = server.health()
        server.die()
        gone = server.health()
        answer.close()

    assert (idle.ready, idle.busy, idle.queued) == (True, 0, 0)
    assert (busy.ready, busy.busy) == (True, 1)
    assert not gone.ready


def test_a_program_can_ask_for_the_types() -> None:
    assert typing.get_type_hints(fake_server)["return"] is FakeServer
    assert "text" in typing.get_type_hints(Reply)
    assert "body" in typing.get_type_hints(Question)
