import io
from collections.abc import Callable, Generator

import pytest

from ramalama_chat import ChatError, ContextExceeded, Repl, RequestFailed, ServerGone


class Parrot:
    """Repeats what it is asked, or does what the next item of *mishaps* says."""

    def __init__(self, *mishaps: BaseException | None, finish_reason: str = "stop") -> None:
        self.asked: list[str] = []
        self.cleared = 0
        self.finish_reason: str | None = finish_reason
        self._mishaps = list(mishaps)

    def ask(self, prompt: str) -> Generator[str, None, None]:
        self.asked.append(prompt)
        yield f"<{prompt}>"
        mishap = self._mishaps.pop(0) if self._mishaps else None
        if mishap is not None:
            raise mishap

    def clear(self) -> None:
        self.cleared += 1


class Interrupted(io.BytesIO):
    """A keyboard on which Ctrl-C is pressed once the text is typed."""

    def read1(self, size: int | None = -1, /) -> bytes:
        content = super().read1(size)
        if not content:
            raise KeyboardInterrupt
        return content


def talk(
    typed: str,
    parrot: Parrot | None = None,
    *,
    keyboard: type[io.BytesIO] = io.BytesIO,
    on_interrupt: Callable[[], None] = lambda: None,
) -> tuple[Parrot, str, str]:
    heard, told = io.StringIO(), io.StringIO()
    parrot = parrot or Parrot()
    stdin = io.TextIOWrapper(keyboard(typed.encode()), encoding="utf-8")
    repl = Repl(
        talk=parrot,
        stdin=stdin,
        stdout=heard,
        stderr=told,
        prefix="> ",
        on_interrupt=on_interrupt,
    )
    repl.run()
    return parrot, heard.getvalue(), told.getvalue()


def test_answers_go_to_stdout_and_prompts_to_stderr() -> None:
    parrot, heard, told = talk("Hi\nCiao\n")

    assert parrot.asked == ["Hi", "Ciao"]
    assert heard == "<Hi>\n<Ciao>\n"
    assert told == "> > > \n"


@pytest.mark.parametrize("word", ["/bye", "/exit", "exit", "quit", " /BYE ", "Quit"])
def test_a_word_alone_on_its_line_leaves(word: str) -> None:
    parrot, _, _ = talk(f"Hi\n{word}\nnever asked\n")

    assert parrot.asked == ["Hi"]


def test_the_end_of_the_input_leaves() -> None:
    assert talk("Hi")[0].asked == ["Hi"]


def test_ctrl_c_at_the_prompt_leaves() -> None:
    caught: list[bool] = []
    parrot, heard, told = talk(
        "Hi\n", keyboard=Interrupted, on_interrupt=lambda: caught.append(True)
    )

    assert parrot.asked == ["Hi"]
    assert caught == [True]
    assert heard == "<Hi>\n"
    assert told.endswith("> \n")


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
    assert talk(f"{line}\n")[0].asked == [line]


@pytest.mark.parametrize("typed", ["\n", "   \n", "\t\n", "\r\n", '""""""\n'])
def test_an_empty_line_does_nothing(typed: str) -> None:
    parrot, heard, told = talk(typed)

    assert parrot.asked == []
    assert heard == ""
    assert told == "> > \n"


def test_clear_forgets_and_says_so() -> None:
    parrot, heard, told = talk("Hi\n/clear\n")

    assert parrot.cleared == 1
    assert heard == "<Hi>\n"
    assert "anew" in told


@pytest.mark.parametrize("word", ["/help", "/?"])
def test_help_lists_the_commands_on_stderr(word: str) -> None:
    parrot, heard, told = talk(f"{word}\n")

    assert parrot.asked == []
    assert heard == ""
    assert "/bye" in told
    assert "/clear" in told


def test_an_unknown_command_is_named_and_not_sent() -> None:
    parrot, _, told = talk("/Frobnicate the lot\n")

    assert parrot.asked == []
    assert "There is no command /Frobnicate" in told


def test_two_slashes_send_a_line_that_begins_with_one() -> None:
    assert talk("//etc/passwd, what is it?\n")[0].asked == ["/etc/passwd, what is it?"]


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
    ],
)
def test_a_message_may_have_several_lines(typed: str, prompt: str) -> None:
    assert talk(typed)[0].asked == [prompt]


def test_a_line_that_continues_shows_another_prompt() -> None:
    assert talk("one\\\ntwo\n")[2] == "> ... > \n"


def test_ctrl_c_during_an_answer_stops_it_and_the_talk_goes_on() -> None:
    caught: list[bool] = []
    parrot, heard, told = talk(
        "Hi\nCiao\n", Parrot(KeyboardInterrupt()), on_interrupt=lambda: caught.append(True)
    )

    assert parrot.asked == ["Hi", "Ciao"]
    assert caught == [True]
    assert heard == "<Hi>\n<Ciao>\n"
    assert "(stopped)\n" in told


@pytest.mark.parametrize(
    ("failure", "note"),
    [
        (RequestFailed("no slot", status=500), "Error: no slot\n"),
        (ChatError("no JSON"), "Error: no JSON\n"),
        (ContextExceeded("too long", status=400), "Error: too long (/clear forgets"),
    ],
)
def test_a_failed_request_is_one_line_and_the_talk_goes_on(failure: ChatError, note: str) -> None:
    parrot, _, told = talk("Hi\nCiao\n", Parrot(failure))

    assert parrot.asked == ["Hi", "Ciao"]
    assert note in told


def test_a_server_gone_ends_the_talk() -> None:
    parrot = Parrot(ServerGone("gone"))

    with pytest.raises(ServerGone):
        talk("Hi\nCiao\n", parrot)

    assert parrot.asked == ["Hi"]


def test_an_answer_cut_off_by_the_context_says_so() -> None:
    assert "cut off" in talk("Hi\n", Parrot(finish_reason="length"))[2]
