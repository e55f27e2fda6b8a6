"""Lines that begin with a slash."""

import io
import json
from base64 import b64decode
from pathlib import Path

import pytest

from ramalama_chat import ChatError, Exchange, InputRefused, Usage
from ramalama_chat.repl.commands.files import copy
from ramalama_chat.repl.commands.table import COMMANDS, NAMES
from ramalama_chat.repl.history import History
from ramalama_chat.repl.state import ChatState
from tests.unit.chat.parrot import Parrot, talk

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("word", ["/help", "/?"])
def test_help_lists_every_command_on_stderr(word: str) -> None:
    heard = talk(f"{word}\n")

    assert heard.parrot.asked == []
    assert heard.out == ""
    assert all(name in heard.err for name in NAMES)
    assert all(command.summary in heard.err for command in COMMANDS)


@pytest.mark.parametrize("typed", ["/help undo", "/? /UNDO"])
def test_help_tells_of_one_command(typed: str) -> None:
    told = f"> {'/undo':31} forget the last question and its answer\n> \n"

    assert talk(f"{typed}\n").err == told


def test_no_name_is_given_twice() -> None:
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("/Frobnicate the lot", "Error: there is no command /Frobnicate; /help lists them\n"),
        ("/celar", "Error: there is no command /celar; did you mean /clear?\n"),
        ("/retyr", "Error: there is no command /retyr; did you mean /retry?\n"),
    ],
)
def test_an_unknown_command_names_the_nearest_and_is_not_sent(typed: str, said: str) -> None:
    heard = talk(f"{typed}\n")

    assert heard.parrot.asked == []
    assert said in heard.err


def test_clear_forgets_and_says_so() -> None:
    heard = talk("Hi\n/clear\n")

    assert heard.parrot.conversation.exchanges == ()
    assert "anew" in heard.err


def test_system_sets_and_shows_the_system_prompt() -> None:
    heard = talk("/system\n/system Be brief.\n/system\n")

    assert heard.parrot.conversation.system == "Be brief."
    assert "There is no system prompt.\n" in heard.err
    assert heard.err.endswith("> Be brief.\n> \n")


@pytest.mark.parametrize("none", ['""', "''"])
def test_the_system_prompt_can_be_taken_away(none: str) -> None:
    heard = talk(f"/system Be brief.\n/system {none}\n")

    assert heard.parrot.conversation.system is None
    assert heard.err.endswith("> There is no system prompt any more.\n> \n")


def test_undo_forgets_the_last_exchange() -> None:
    heard = talk("One\nTwo\n/undo\n")

    assert heard.parrot.conversation.exchanges == (Exchange("One", "<One>"),)
    assert "Forgotten: Two\n" in heard.err


@pytest.mark.parametrize("word", ["/regenerate", "/retry"])
def test_regenerate_asks_the_last_question_once_more(word: str) -> None:
    heard = talk(f"One\nTwo\n{word}\n")

    assert heard.parrot.asked == ["One", "Two", "Two"]
    assert [each.prompt for each in heard.parrot.conversation.exchanges] == ["One", "Two"]


def test_regenerate_asks_again_what_got_no_answer() -> None:
    heard = talk("One\nTwo\n/retry\n", Parrot(None, ChatError("no slot")))

    assert heard.parrot.asked == ["One", "Two", "Two"]
    assert [each.prompt for each in heard.parrot.conversation.exchanges] == ["One", "Two"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("/undo", "Nothing was said yet."),
        ("/retry", "Nothing was asked yet."),
        ("/copy", "Error: there is no answer yet"),
        ("/save", "Error: which FILE?"),
        ("/load", "Error: which FILE?"),
        ("/image", "Error: which FILE?"),
        ("/file", "Error: which FILE?"),
        ("/think maybe", "Error: write on or off, not 'maybe'"),
        ("/stats maybe", "Error: write on or off, not 'maybe'"),
        ("/set temperature", "Error: which value? /set temperature VALUE"),
        ("/set tempo", "Error: there is no parameter 'tempo'; use one of: temperature, seed,"),
        ("/set history off", "Error: history takes no value; there are history, nohistory,"),
        ("/undo 3", "Error: /undo takes no argument; /help shows what it does"),
        ("/CLEAR it", "Error: /CLEAR takes no argument; /help shows what it does"),
        ("/show tempo", "Error: there is no setting 'tempo': model, system, exchanges, context,"),
        ("/help xyz", "Error: there is no command /xyz; /help lists them"),
    ],
)
def test_a_command_that_makes_no_sense_is_one_line_and_the_talk_goes_on(
    typed: str, said: str
) -> None:
    heard = talk(f"{typed}\nHi\n")

    assert heard.err.startswith(f"> {said}")
    assert heard.err.count("\n") == 2
    assert heard.parrot.asked == ["Hi"]


@pytest.mark.parametrize(
    ("typed", "parameters"),
    [
        ("temperature 0.2", {"temperature": 0.2}),
        ("parameter temperature 0.2", {"temperature": 0.2}),
        ("seed 42", {"seed": 42}),
        ("top_p 0.9", {"top_p": 0.9}),
        ("num_predict 10", {"max_tokens": 10}),
        ("stop Human:", {"stop": ["Human:"]}),
    ],
)
def test_set_changes_what_requests_say(typed: str, parameters: dict[str, object]) -> None:
    assert talk(f"/set {typed}\n").parrot.parameters == parameters


def test_set_default_leaves_a_parameter_to_the_server_again() -> None:
    assert talk("/set seed 42\n/set seed default\n").parrot.parameters == {}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("temperature hot", "temperature must be a number, 0 or more, not 'hot'"),
        ("temperature nan", "temperature must be a number, 0 or more, not 'nan'"),
        ("temperature -1", "temperature must be a number, 0 or more, not '-1'"),
        ("top_p 2", "top_p must be a number from 0 to 1, not '2'"),
        ("seed 1.5", "seed must be an integer, not '1.5'"),
        ("max_tokens 0", "max_tokens must be an integer, 1 or more, not '0'"),
        (
            "num_ctx 4096",
            "num_ctx is fixed when the server starts: leave the chat, and start it with --ctx-size",
        ),
        ("nonsense 1", "there is no parameter 'nonsense'; use one of: temperature, seed,"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(typed: str, said: str) -> None:
    heard = talk(f"/set {typed}\n")

    assert f"Error: {said}" in heard.err
    assert heard.parrot.parameters == {}


def test_show_names_what_is_set() -> None:
    usage = Usage(prompt_tokens=20, completion_tokens=5)

    heard = talk("Hi\n/set seed 42\n/show\n", Parrot(usage=usage, context=512))

    for row in ("model        parrot", "context      25 of 512 tokens", "seed         42"):
        assert f"{row}\n" in heard.err


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("seed", "seed         42"),
        ("top_p", "top_p        (the server's default)"),
        ("num_predict", "max_tokens   (the server's default)"),
        ("think", "think        on"),
    ],
)
def test_show_names_one_setting_alone(name: str, row: str) -> None:
    assert talk(f"/set seed 42\n/show {name}\n").err.endswith(f"now on.\n> {row}\n> \n")


def test_think_off_hides_reasoning_and_asks_for_none() -> None:
    heard = talk("/think off\nHi\n", Parrot(thought="Hm."))

    assert "Hm." not in heard.err
    assert heard.parrot.parameters == {"chat_template_kwargs": {"enable_thinking": False}}


def test_think_on_shows_it_again() -> None:
    heard = talk("/think off\n/think\nHi\n", Parrot(thought="Hm."))

    assert "Hm.\n" in heard.err
    assert heard.parrot.parameters == {}


def test_stats_tells_what_each_answer_took() -> None:
    timings = {"prompt_ms": 100.0, "predicted_ms": 250.0, "predicted_per_second": 20.0}
    usage = Usage(prompt_tokens=20, completion_tokens=5, timings=timings)

    heard = talk("/stats on\nHi\n", Parrot(usage=usage, context=512))

    assert (
        "(prompt 20 tokens in 0.10 s, answer 5 tokens in 0.25 s, 20.0 tokens/s,"
        " context 25 of 512)\n"
    ) in heard.err
    assert heard.parrot.counting


def test_a_saved_talk_goes_on_where_it_ended(tmp_path: Path) -> None:
    talk("/system Be brief.\n/set seed 1\nOne\nTwo\n/save ~/talk.json\n", home=tmp_path)

    heard = talk("/load ~/talk.json\nThree\n", home=tmp_path)

    assert "Loaded 2 exchanges; the last: Two\n" in heard.err
    assert [each.prompt for each in heard.parrot.conversation.exchanges] == ["One", "Two", "Three"]
    assert heard.parrot.conversation.system == "Be brief."
    assert heard.parrot.parameters == {"seed": 1}


def test_a_saved_talk_cannot_command_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b]0;title\x07Hi\x1b[2J"
    exchange = {"prompt": evil, "answer": evil}
    saved = {"ramalama_talk": 1, "system": evil, "exchanges": [exchange]}
    (tmp_path / "talk").write_text(json.dumps(saved))

    heard = talk("/load ~/talk\n/system\n/show\n/undo\n", home=tmp_path)

    assert "\x1b" not in heard.err
    assert "Loaded 1 exchange; the last: Hi\n" in heard.err
    assert "Forgotten: Hi\n" in heard.err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_copied_is_what_was_shown() -> None:
    parrot, err = Parrot(), Terminal()
    parrot.conversation.record("Hi", "rm\x1b[2J -rf\r")

    copy(ChatState(session=parrot, stderr=err, history=History(None, print)), "")

    sequence, _, note = err.getvalue().partition("\x07")
    assert b64decode(sequence.removeprefix("\x1b]52;c;")) == b"rm -rf"
    assert note == "Copied, if your terminal allows it.\n"


def test_an_answer_that_no_clipboard_takes_is_not_copied() -> None:
    parrot, err = Parrot(), Terminal()
    parrot.conversation.record("Hi", "x" * 100_000)

    with pytest.raises(InputRefused, match="terminals copy 74,994 at most"):
        copy(ChatState(session=parrot, stderr=err, history=History(None, print)), "")

    assert err.getvalue() == ""


def test_files_and_pictures_go_along_with_the_next_message_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a note\n")
    (tmp_path / "dot.png").write_bytes(PNG)

    heard = talk("/file ~/notes.txt\n/image ~/dot.png\nWhat?\nAnd?\n", home=tmp_path)

    assert heard.parrot.asked == ["File notes.txt:\n```\na note\n```\n\nWhat?", "And?"]
    assert heard.parrot.images == [("data:image/png;base64,iVBORw0KGgo=",), ()]


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_file_may_be_named_in_quotes(tmp_path: Path, quote: str) -> None:
    (tmp_path / "two words.txt").write_text("a note\n")

    heard = talk(f"/file {quote}~/two words.txt{quote}\nWhat?\n", home=tmp_path)

    assert heard.parrot.asked == ["File two words.txt:\n```\na note\n```\n\nWhat?"]


def test_a_file_that_is_not_there_is_one_line_and_nothing_is_attached(tmp_path: Path) -> None:
    heard = talk("/file ~/missing\nHi\n", home=tmp_path)

    assert f"Error: '{tmp_path}/missing' cannot be read: No such file or directory\n" in heard.err
    assert heard.parrot.asked == ["Hi"]


def test_history_can_be_switched_off_and_on(tmp_path: Path) -> None:
    heard = talk("/set nohistory\n/show\n/set history\n", home=tmp_path)

    assert "history      off\n" in heard.err
    assert heard.state.history.enabled
