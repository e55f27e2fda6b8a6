import pytest

from ramalama_chat import ChatError, ContextExceeded, RequestFailed, ServerGone, Usage
from tests.unit.chat.parrot import HastyKeyboard, InterruptedKeyboard, Parrot, talk


def test_answers_go_to_stdout_and_prompts_to_stderr() -> None:
    heard = talk("Hi\nCiao\n")

    assert heard.parrot.asked == ["Hi", "Ciao"]
    assert heard.out == "<Hi>\n<Ciao>\n"
    assert heard.err == "> > > \n"


@pytest.mark.parametrize("word", ["/bye", "/exit", "exit", "quit", "bye", " /BYE ", "Quit"])
def test_a_word_alone_on_its_line_leaves(word: str) -> None:
    assert talk(f"Hi\n{word}\nnever asked\n").parrot.asked == ["Hi"]


def test_the_end_of_the_input_leaves() -> None:
    assert talk("Hi").parrot.asked == ["Hi"]


def test_ctrl_c_at_a_plain_prompt_leaves() -> None:
    heard = talk("Hi\n", keyboard=InterruptedKeyboard)

    assert heard.parrot.asked == ["Hi"]
    assert heard.caught == [True]
    assert heard.out == "<Hi>\n"
    assert heard.err.endswith("> \n")


def test_ctrl_c_just_after_an_answer_says_how_to_leave_and_does_not() -> None:
    heard = talk("Hi\n", keyboard=HastyKeyboard)

    assert heard.parrot.asked == ["Hi"]
    how = "(/bye, Ctrl-D, or Ctrl-C once more leaves)\n"
    assert heard.err == f"> > \n{how}> \n{how}> \n"


@pytest.mark.parametrize(
    "line",
    [
        "help me write a poem",
        "EOF is what?",
        "exit codes, what are they?",
        "quit smoking",
        "what is /bye?",
        "?",
    ],
)
def test_only_a_command_is_a_command(line: str) -> None:
    assert talk(f"{line}\n").parrot.asked == [line]


@pytest.mark.parametrize("typed", ["\n", "   \n", "\t\n", "\r\n", '""""""\n'])
def test_an_empty_line_does_nothing(typed: str) -> None:
    heard = talk(typed)

    assert heard.parrot.asked == []
    assert heard.out == ""
    assert heard.err == "> > \n"


def test_two_slashes_send_a_line_that_begins_with_one() -> None:
    heard = talk("//etc/passwd, what is it?\n")

    assert heard.parrot.asked == ["/etc/passwd, what is it?"]


@pytest.mark.parametrize(
    ("typed", "prompt"),
    [
        pytest.param("one \\\ntwo\n", "one \ntwo", id="backslash"),
        pytest.param("one\\\ntwo\\\nthree\n", "one\ntwo\nthree", id="backslash-twice"),
        pytest.param("one\\", "one\n", id="backslash-at-the-end-of-the-input"),
        pytest.param('"""\none\n\ntwo\n"""\n', "one\n\ntwo", id="fence-on-its-own-lines"),
        pytest.param('"""one\ntwo"""\n', "one\ntwo", id="fence-beside-the-text"),
        pytest.param('"""one"""\n', "one", id="fence-on-one-line"),
        pytest.param('"""\n/bye\n"""\n', "/bye", id="no-command-inside-a-fence"),
        pytest.param('"""\n  x = 1\\\n"""\n', "  x = 1\\", id="layout-inside-a-fence"),
        pytest.param('"""one\ntwo', "one\ntwo", id="fence-never-closed"),
        pytest.param('say """hi"""\n', 'say """hi"""', id="no-fence-in-the-middle"),
        pytest.param(
            "/* a\\\ncomment */\n", "/* a\ncomment */", id="code-that-begins-with-a-slash"
        ),
        pytest.param("// a\\\ncomment\n", "// a\ncomment", id="code-that-begins-with-two"),
    ],
)
def test_a_message_may_have_several_lines(typed: str, prompt: str) -> None:
    assert talk(typed).parrot.asked == [prompt]


def test_a_line_that_continues_shows_another_prompt() -> None:
    assert talk("one\\\ntwo\n").err == "> ... > \n"


def test_ctrl_c_during_an_answer_stops_it_and_the_talk_goes_on() -> None:
    heard = talk("Hi\nCiao\n", Parrot(KeyboardInterrupt()))

    assert heard.parrot.asked == ["Hi", "Ciao"]
    assert heard.caught == [True]
    assert heard.out == "<Hi>\n<Ciao>\n"
    assert "(stopped)\n" in heard.err


class Pensive(Parrot):
    """A session whose server is interrupted while it is asked about itself."""

    def context_size(self) -> int | None:
        raise KeyboardInterrupt


def test_ctrl_c_stops_whatever_is_asked_of_the_server_and_the_talk_goes_on() -> None:
    usage = Usage(prompt_tokens=1, completion_tokens=1)

    heard = talk("Hi\n/show\nCiao\n", Pensive(usage=usage))

    assert heard.parrot.asked == ["Hi", "Ciao"]
    assert heard.caught == [True, True]
    assert heard.err == "> (stopped)\n> (stopped)\n> > \n"


@pytest.mark.parametrize(
    ("failure", "note"),
    [
        (RequestFailed("no slot", status=500), "Error: no slot\n"),
        (ChatError("no JSON"), "Error: no JSON\n"),
        (
            ContextExceeded("too long", status=400),
            "Error: too long; your message alone is too long; make room for None\n",
        ),
        (ServerGone("gone"), "Error: gone (/retry asks again)\n"),
    ],
)
def test_a_failed_request_is_one_line_and_the_talk_goes_on(failure: ChatError, note: str) -> None:
    heard = talk("Hi\nCiao\n", Parrot(failure))

    assert heard.parrot.asked == ["Hi", "Ciao"]
    assert note in heard.err
    assert heard.out == "<Ciao>\n"


def test_a_server_that_has_ended_ends_the_talk_with_its_cause() -> None:
    parrot = Parrot(ServerGone("gone"))

    with pytest.raises(RuntimeError, match="out of memory"):
        talk("Hi\nCiao\n", parrot, why_gone=lambda: RuntimeError("out of memory"))

    assert parrot.asked == ["Hi"]


@pytest.mark.parametrize(
    ("limit", "note"),
    [
        (None, ": the context is full; make room for None"),
        (8, ": the context is full; make room for None"),
        (7, " after 7 tokens; /set max_tokens raises the limit"),
    ],
)
def test_an_answer_that_was_cut_off_says_why(limit: int | None, note: str) -> None:
    usage = Usage(prompt_tokens=3, completion_tokens=7)
    parrot = Parrot(finish_reason="length", usage=usage)
    if limit is not None:
        parrot.parameters["max_tokens"] = limit

    assert f"(the answer is cut off{note})\n" in talk("Hi\n", parrot).err


def test_a_limit_of_the_server_is_told_apart_from_a_full_context() -> None:
    usage = Usage(prompt_tokens=3, completion_tokens=7)

    heard = talk("Hi\n", Parrot(finish_reason="length", usage=usage, context=2048))

    assert "(the answer is cut off after 7 tokens, by a limit of the server's own)\n" in heard.err


def test_an_answer_of_mere_reasoning_says_so() -> None:
    parrot = Parrot(thought="Hm.")
    parrot.is_empty = parrot.has_reasoned = True

    assert (
        "(the model only reasoned, and gave no answer; /think off lets it answer at once)\n"
        in talk("Hi\n", parrot).err
    )


@pytest.mark.parametrize(("used", "told"), [(79, False), (80, True), (100, True)])
def test_a_context_that_gets_tight_is_told(used: int, *, told: bool) -> None:
    usage = Usage(prompt_tokens=used - 10, completion_tokens=10)

    heard = talk("Hi\n", Parrot(usage=usage, context=100))

    assert (f"context: {used} of 100 tokens" in heard.err) is told


def test_oldest_turns_make_room_and_the_user_is_told() -> None:
    full = ContextExceeded("full", status=400, needed=400, held=200)

    heard = talk("One\nTwo\nThree\n", Parrot(None, None, full))

    assert heard.parrot.asked == ["One", "Two", "Three", "Three"]
    assert [each.prompt for each in heard.parrot.conversation.exchanges] == ["Three"]
    assert "(the model's context is full: the oldest 2 exchanges are forgotten)\n" in heard.err
    assert heard.out.endswith("<Three>\n")


def test_reasoning_is_shown_before_the_answer_and_not_on_stdout() -> None:
    heard = talk("Hi\n", Parrot(thought="Hm\x1b[2J, well"))

    assert heard.out == "<Hi>\n"
    assert heard.err == "> Hm, well\n> \n"
