"""`ramalama run MODEL` at a terminal that can do more: the line editor, and what it is told."""

from __future__ import annotations

import json
import re
import signal
import stat
from base64 import b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import ENDLESS, SMALL, Cli, saying
from tests.integration.screen import EDITED, Screen

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

pytest_plugins = ["tests.integration.users"]
pytestmark = [
    pytest.mark.engines,
    pytest.mark.parametrize("cli", ["podman"], indirect=True),
]

PROMPT = "me>"
LOOP = (f"--prefix={PROMPT}", "--color=never")
PASTE, END_OF_PASTE = "\x1b[200~", "\x1b[201~"
UP, CTRL_A, CTRL_C, CTRL_D, CTRL_L, CTRL_R = "\x1b[A", "\x01", "\x03", "\x04", "\x0c", "\x12"


@contextmanager
def talking(cli: Cli, *words: str, env: Mapping[str, str] | None = None) -> Generator[Screen]:
    """Begin a talk, and wait for its prompt; the talk ends with the block."""
    with cli.terminal("run", *LOOP, *words, env={**EDITED, **(env or {})}) as child:
        screen = Screen(child)
        screen.wait_for(PROMPT)
        yield screen


def prompts(screen: Screen, path: Path) -> list[str]:
    """Save the talk, and return what was asked in it."""
    screen.type(f"/save {path}\r")
    screen.wait_for(f"Saved to {path}.", PROMPT)
    return [exchange["prompt"] for exchange in json.loads(path.read_text())["exchanges"]]


@pytest.fixture
def talk(cli: Cli) -> Path:
    """Where to save a talk."""
    return cli.home / "talk"


def test_what_is_typed_is_edited_before_it_is_sent(cli: Cli, model: Path, talk: Path) -> None:
    with talking(cli, *SMALL, *saying("Yes."), str(model)) as screen:
        screen.type(f"colour?{CTRL_A}Which \r")
        screen.wait_for(f"{PROMPT}Which colour?", "Yes.", PROMPT)

        assert prompts(screen, talk) == ["Which colour?"]


@pytest.mark.parametrize(
    ("keys", "prompt"),
    [
        pytest.param(f"{PASTE}one\ntwo\n{END_OF_PASTE}\r", "one\ntwo", id="paste"),
        pytest.param(f"{PASTE}/* a\nb */{END_OF_PASTE}\r", "/* a\nb */", id="paste-of-code"),
        pytest.param(
            f'{PASTE}"""One."""\nx = 2{END_OF_PASTE}\r', '"""One."""\nx = 2', id="docstring"
        ),
        pytest.param("one\\\rtwo\r", "one\ntwo", id="backslash"),
        pytest.param('"""one\rtwo"""\r', "one\ntwo", id="quotes"),
        pytest.param("one\x1b\rtwo\r", "one\ntwo", id="Alt-Enter"),
    ],
)
def test_several_lines_are_one_message(
    cli: Cli, model: Path, talk: Path, keys: str, prompt: str
) -> None:
    with talking(cli, *SMALL, *saying("Yes."), str(model)) as screen:
        screen.type(keys)
        screen.wait_for("Yes.", PROMPT)

        assert prompts(screen, talk) == [prompt]


def test_history_outlives_the_talk_and_is_the_users_alone(cli: Cli, model: Path) -> None:
    words = (*SMALL, *saying("Yes."), str(model))
    with talking(cli, *words) as screen:
        screen.type("Which colour?\r")
        screen.wait_for("Yes.", PROMPT)
        screen.type("/set nohistory\r")
        screen.wait_for("What you type is not remembered.", PROMPT)
        screen.type("A secret\r")
        screen.wait_for("Yes.", PROMPT)
    history = cli.home / ".local/state/ramalama/history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert history.read_text() == '"Which colour?"\n"/set nohistory"\n'

    with talking(cli, *words) as screen:
        screen.type(f"{UP}{UP}")
        screen.wait_for(f"{PROMPT}Which colour?")
        screen.type(f"{CTRL_C}{CTRL_R}colo\r")
        screen.wait_for(f"{PROMPT}Which colour?")


def test_history_can_be_left_out_altogether(cli: Cli, model: Path) -> None:
    with talking(cli, *SMALL, str(model), env={"RAMALAMA_NOHISTORY": "1"}) as screen:
        screen.type("/show\r")
        screen.wait_for("history      off", PROMPT)

    assert not (cli.home / ".local").exists()


def test_a_history_that_is_a_directory_is_one_line_and_the_talk_goes_on(
    cli: Cli, model: Path
) -> None:
    history = cli.home / ".local/state/ramalama/history"
    history.mkdir(parents=True)
    with talking(cli, *SMALL, *saying("Yes."), str(model)) as screen:
        screen.type("Hi\r")
        screen.wait_for("Yes.", PROMPT)
        screen.type("Hi\r")
        screen.wait_for("Yes.", PROMPT)

        told = screen.text.replace("\n", "")  # a long line goes on in the next
        assert told.count(f"Warning: no history: {history}: not a regular file{PROMPT}") == 1


def test_commands_are_completed(cli: Cli, model: Path) -> None:
    with talking(cli, *SMALL, str(model)) as screen:
        screen.type("/cl\t\r")
        screen.wait_for(f"{PROMPT}/clear", "The conversation starts anew.", PROMPT)


def test_files_are_completed(cli: Cli, model: Path) -> None:
    (cli.home / "notes.txt").write_text("Blue.")
    with talking(cli, *SMALL, str(model)) as screen:
        screen.type("/file ~/no\t\r")
        screen.wait_for(f"{PROMPT}/file ~/notes.txt", "Attached to your next message.", PROMPT)


def test_a_long_line_wraps_as_one_line(cli: Cli, model: Path) -> None:
    with talking(cli, *SMALL, str(model)) as screen:
        screen.type("x" * 150)
        screen.wait_for(f"{PROMPT}{'x' * 97}", "x" * 53)


def test_keys_are_vis_where_the_users_inputrc_says_so(cli: Cli, model: Path, talk: Path) -> None:
    (cli.home / ".inputrc").write_text("set editing-mode vi\n")
    with talking(cli, *SMALL, *saying("Yes."), str(model)) as screen:
        screen.type("Which color?")
        screen.wait_for(f"{PROMPT}Which color?")
        screen.type("\x1b")
        screen.type("0iOh: ")
        screen.wait_for(f"{PROMPT}Oh: Which color?")
        screen.type("\r")
        screen.wait_for("Yes.", PROMPT)

        assert prompts(screen, talk) == ["Oh: Which color?"]


def test_ctrl_c_clears_the_line_and_leaves_an_empty_one(cli: Cli, model: Path) -> None:
    with talking(cli, *SMALL, str(model)) as screen:
        screen.type(f"abc{CTRL_C}")
        screen.wait_for(f"{PROMPT}abc", PROMPT)
        screen.type(CTRL_C)

        assert screen.wait_for_end() == 0


def test_ctrl_c_stops_the_answer_and_what_was_said_stays(cli: Cli, model: Path, talk: Path) -> None:
    with talking(cli, *ENDLESS, str(model)) as screen:
        screen.type("Count.\r")
        screen.wait_for_text("the")
        screen.type(CTRL_C)
        screen.wait_for("(stopped)", PROMPT)

        assert prompts(screen, talk) == ["Count."]
        assert "the" in json.loads(talk.read_text())["exchanges"][0]["answer"]


@pytest.mark.parametrize("keys", [CTRL_D, "/bye\r", "exit\r"], ids=["Ctrl-D", "/bye", "exit"])
def test_there_are_several_ways_to_leave(cli: Cli, model: Path, keys: str) -> None:
    with talking(cli, *SMALL, str(model)) as screen:
        screen.type(keys)

        assert screen.wait_for_end() == 0


def test_ctrl_l_clears_the_screen(cli: Cli, model: Path) -> None:
    with talking(cli, *SMALL, *saying("Yes."), str(model)) as screen:
        screen.type("Hi\r")
        screen.wait_for("Yes.", PROMPT)
        screen.type(CTRL_L)
        screen.wait_until(lambda: screen.lines == [PROMPT])


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 0)]
)
def test_a_signal_ends_the_wait_for_a_prompt_and_the_terminal_is_as_it_was(
    cli: Cli, model: Path, number: signal.Signals, code: int
) -> None:
    with cli.terminal("run", *LOOP, *SMALL, str(model), env=EDITED) as child:
        screen = Screen(child)
        screen.wait_for(PROMPT)
        child.kill(number)

        assert screen.wait_for_end() == code
        assert screen.raw.rindex("\x1b[?2004l") > screen.raw.rindex("\x1b[?2004h")
    assert cli.leftovers() == []


@pytest.mark.parametrize("typed", ["", "Count.\r"], ids=["at the prompt", "during an answer"])
def test_keepalive_ends_the_talk(cli: Cli, model: Path, typed: str) -> None:
    words = (*LOOP, *ENDLESS, "--keepalive=1s", str(model))
    with cli.terminal("run", *words, env=EDITED) as child:
        screen = Screen(child)
        screen.wait_for_text(PROMPT)
        screen.type(typed)

        assert screen.wait_for_end() == 124
        assert screen.lines[-1] == "Error: the time given by --keepalive is over"
    assert cli.leftovers() == []


def test_markdown_is_styled_in_the_terminal_and_marks_stay(cli: Cli, model: Path) -> None:
    text = "# Sky\\nIt is **blue**, `#00f`."
    words = ("--color=always", *SMALL, *saying(text.replace("\\n", "\n")), str(model))
    with talking(cli, *words) as screen:
        screen.type("Which colour?\r")
        screen.wait_for("# Sky", "It is **blue**, `#00f`.", PROMPT)

        for styled in ("33;1m Sky", "33;1mblue**", "36m#00f`"):
            assert styled in screen.raw
        assert re.search(r"\x1b\[0m\r\n", screen.raw)


@pytest.mark.parametrize(
    ("env", "prompt", "color"),
    [
        pytest.param({}, "🦭 >", True, id="as it comes"),
        pytest.param({"NO_COLOR": "1"}, "🦭 >", False, id="NO_COLOR"),
        pytest.param({"TERM": "linux"}, ">", True, id="the Linux console"),
        pytest.param({"PYTHONIOENCODING": "latin-1"}, ">", True, id="without UTF-8"),
    ],
)
def test_prefix_and_colour_follow_the_terminal(
    cli: Cli, model: Path, env: Mapping[str, str], prompt: str, *, color: bool
) -> None:
    words = (*SMALL, *saying("Blue."), str(model))
    with cli.terminal("run", *words, env={**EDITED, **env}) as child:
        screen = Screen(child)
        screen.wait_for(prompt)
        screen.type("Which?\r")
        screen.wait_for("Blue.", prompt)

        assert ("\x1b[33mBlue." in screen.raw) is color


def test_commands_change_what_the_next_question_builds_on(
    cli: Cli, model: Path, talk: Path
) -> None:
    (cli.home / "notes.txt").write_text("Blue.")
    with talking(cli, *SMALL, *saying("Yes."), str(model)) as screen:
        for typed, answered in (
            ("One?", "Yes."),
            ("/undo", "Forgotten: One?"),
            ("/system Be brief.", "The system prompt is set. The conversation is kept."),
            ("Two?", "Yes."),
            ("/regenerate", "Yes."),
            ("/file ~/notes.txt", "Attached to your next message."),
            ("Three?", "Yes."),
            ("/think off", "Reasoning is off."),
        ):
            screen.type(f"{typed}\r")
            screen.wait_for(f"{PROMPT}{typed}", answered, PROMPT)
        asked = ["Two?", "File notes.txt:\n```\nBlue.\n```\n\nThree?"]
        assert prompts(screen, talk) == asked
        assert json.loads(talk.read_text())["system"] == "Be brief."

        screen.type(f"/clear\r/load {talk}\rFour?\r")
        screen.wait_for(f"{PROMPT}Four?", "Yes.", PROMPT)
        assert prompts(screen, talk) == [*asked, "Four?"]


def test_statistics_and_parameters_are_the_servers(cli: Cli, model: Path) -> None:
    with talking(cli, "--ctx-size=256", "--stats", str(model)) as screen:
        screen.type("/set num_predict 4\r")
        screen.wait_for("num_predict is 4 from now on.", PROMPT)
        screen.type("Count.\r")
        screen.wait_for_text(
            "(the answer is cut off after 4 tokens; /set max_tokens raises the limit)"
        )
        screen.wait_for_text("answer 4 tokens in ")
        screen.wait_for_text("of 256)")


def test_the_progress_of_a_long_prompt_is_shown_until_the_first_word(cli: Cli, model: Path) -> None:
    question = "Is it blue? " * 200
    with talking(cli, "--ctx-size=2048", *saying("Yes."), str(model)) as screen:
        screen.type(f"{PASTE}{question}{END_OF_PASTE}\r")
        screen.wait_for("Yes.", PROMPT)

        assert "\r\x1b[KProcessing the prompt: 0%" in screen.raw
        assert "Processing" not in screen.text


def test_a_full_context_forgets_the_oldest_turns(cli: Cli, model: Path) -> None:
    with talking(cli, *SMALL, *saying("Yes."), str(model)) as screen:
        for _ in range(6):
            screen.type(f"Is it? {'Really? ' * 20}\r")
            screen.wait_until(lambda: screen.lines[-1] == PROMPT)
        screen.wait_for_text("(the model's context is full: the oldest ")
        screen.type("Bye?\r")
        screen.wait_for("Yes.", PROMPT)


def test_the_answer_is_copied_through_the_terminal(cli: Cli, model: Path) -> None:
    with talking(cli, *SMALL, *saying("Yes."), str(model)) as screen:
        screen.type("Hi\r")
        screen.wait_for("Yes.", PROMPT)
        screen.type("/copy\r")
        screen.wait_for("Copied, if your terminal allows it.", PROMPT)

        assert f"\x1b]52;c;{b64encode(b'Yes.').decode()}\x07" in screen.raw


def test_a_picture_for_a_model_that_is_blind_is_one_line(cli: Cli, model: Path) -> None:
    (cli.home / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with talking(cli, *SMALL, *saying("Yes."), str(model)) as screen:
        screen.type("/image ~/dot.png\r")
        screen.wait_for_text("Error: the model cannot see pictures")
        screen.type("Hi\r")
        screen.wait_for("Yes.", PROMPT)


def test_a_server_that_is_stopped_ends_the_talk_at_once_with_its_cause(
    cli: Cli, model: Path
) -> None:
    with talking(cli, *SMALL, "--name=stopped-in-a-talk", str(model)) as screen:
        screen.type("Are you the")
        assert cli.run("stop", "stopped-in-a-talk").code == 0

        assert screen.wait_for_end() == 1
        assert "Error: the llama.cpp server of " in screen.text
