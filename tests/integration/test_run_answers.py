"""`ramalama run MODEL PROMPT` for programs, and with more than a prompt."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import SMALL, Cli, exit_code, saying
from tests.integration.made_sight import make_picture
from tests.integration.tool_servers import make_stdio

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["tests.integration.users"]
pytestmark = [
    pytest.mark.engines,
    pytest.mark.parametrize("cli", ["podman"], indirect=True),
]

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["blue", "red"]}, "sure": {"type": "boolean"}},
    "required": ["colour", "sure"],
    "additionalProperties": False,
}


def test_json_is_one_object_and_nothing_else(cli: Cli, model: Path) -> None:
    done = cli.run("run", "--json", *SMALL, *saying("Blue."), str(model), "Which colour?")

    told = json.loads(done.out)
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    assert (told["text"], told["reasoning"], told["finish_reason"]) == ("Blue.", None, "stop")
    assert told["usage"]["total_tokens"] == sum(
        told["usage"][name] for name in ("prompt_tokens", "completion_tokens")
    )
    assert told["timings"]["predicted_n"] == told["usage"]["completion_tokens"]
    assert 0 < told["timings"]["first_text_ms"] <= told["timings"]["total_ms"]


def test_an_answer_follows_its_schema(cli: Cli, model: Path, tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))

    done = cli.run("run", f"-f={tmp_path}/schema.json", *SMALL, str(model), "Which colour?")

    told = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert told["colour"] in {"blue", "red"}
    assert isinstance(told["sure"], bool)


def test_a_schema_that_is_none_is_refused_by_the_server_in_a_line(
    cli: Cli, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "schema.json").write_text('{"type": "nonsense"}')

    done = cli.run("run", f"--schema={tmp_path}/schema.json", *SMALL, str(model), "Hi")

    assert done.code == 1
    assert "HTTP 400" in done.complaint
    assert "nonsense" in done.complaint


@pytest.mark.parametrize("option", ["--schema", "--file", "--picture"])
def test_a_file_that_is_not_there_is_told_before_anything_starts(
    cli: Cli, model: Path, option: str
) -> None:
    done = cli.run("run", f"{option}=/nowhere", "--image=no/such:image", str(model), "Hi")

    assert done.code == 22
    assert done.complaint == "'/nowhere' cannot be read: No such file or directory"


def test_an_answer_has_no_more_tokens_than_allowed(cli: Cli, model: Path) -> None:
    done = cli.run("run", "--json", "--max-tokens=3", *SMALL, str(model), "Count.")

    told = json.loads(done.out)
    assert (told["usage"]["completion_tokens"], told["finish_reason"]) == (3, "length")


def test_an_answer_that_is_cut_off_says_why_and_what_helps(cli: Cli, model: Path) -> None:
    done = cli.run("run", "--ctx-size=16384", "--temp=0", "--max-tokens=3", str(model), "Count.")

    limit = "the answer is cut off after 3 tokens; --max-tokens raises the limit"
    trained = "a conversation takes at most 8192 tokens, not 16384: that is what"
    assert done.code == 0
    assert done.out != ""
    assert f"Notice: {limit}\n" in done.err
    assert f"Notice: {trained} file://{model} was trained with\n" in done.err


def test_a_full_context_names_the_option_and_its_value(cli: Cli, model: Path) -> None:
    endless = (*SMALL, "--runtime-args=--ignore-eos")
    cut_off = cli.run("run", *endless, str(model), "Count.")
    done = cli.run("run", *endless, str(model), "Is it? " * 3000)

    limited = cli.run("run", *SMALL, "--runtime-args=--ignore-eos -n 9", str(model), "Count.")

    own = "the answer is cut off after 9 tokens, by a limit of the server's own"
    assert limited.err == f"Notice: {own}\n"
    assert cut_off.code == 0
    remedy = "use --ctx-size 512, or send less"
    assert cut_off.err.endswith(f"Notice: the answer is cut off: the context is full; {remedy}\n")
    remedy = "use --ctx-size 8192, all that the model was trained with, and send less"
    assert done.complaint.endswith(f"and the model's context holds 256; {remedy}")


def test_a_picture_is_refused_by_a_model_that_cannot_see(
    cli: Cli, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "red.png").write_bytes(make_picture("red"))

    done = cli.run("run", f"--picture={tmp_path}/red.png", *SMALL, str(model), "Which colour?")

    assert done.code == 22
    assert done.complaint.startswith("the model cannot see pictures")


def test_tools_that_the_chat_template_does_not_know_are_told(
    cli: Cli, model: Path, tmp_path: Path
) -> None:
    words = (make_stdio(tmp_path).option, *SMALL, "--max-tokens=3", str(model), "1 + 2?")

    done = cli.run("run", *words)

    assert done.code == 0
    assert "Notice: the model's chat template knows no tools: answers may be made up\n" in done.err


def test_statistics_go_to_stderr(cli: Cli, model: Path) -> None:
    done = cli.run("run", "--stats", *SMALL, *saying("Blue."), str(model), "Which colour?")

    assert (done.code, done.out) == (0, "Blue.\n")
    assert done.err.startswith("prompt ")
    assert "tokens/s, context " in done.err


def test_an_answer_that_does_not_fit_is_no_json_and_has_an_exit_code(cli: Cli, model: Path) -> None:
    done = cli.run("run", "--json", *SMALL, str(model), "Is it? " * 400)

    assert done.code == 1
    assert "the model's context holds 256" in done.complaint


def test_json_without_a_prompt_is_refused(cli: Cli, model: Path) -> None:
    done = cli.run("run", "--json", *SMALL, str(model))

    assert done.code == 22
    assert done.complaint == "--json is for one answer: it needs a prompt"


def test_at_a_terminal_json_without_a_prompt_is_refused_before_a_server_is_started(
    cli: Cli, model: Path
) -> None:
    with cli.terminal("run", "--json", *SMALL, str(model)) as terminal:
        terminal.expect_exact("Error: --json is for one answer: it needs a prompt")
        started = cli.containers()

        assert exit_code(terminal) == 22
    assert started == []


def test_at_a_terminal_one_answer_is_styled_and_ends(cli: Cli, model: Path) -> None:
    words = ("run", *SMALL, *saying("It is **blue**."), str(model), "Which colour?")
    with cli.terminal(*words, env={"TERM": "xterm-256color"}) as terminal:
        terminal.expect_exact("\x1b[33mIt is **\x1b[0;33;1mblue**\x1b[0;33m.\x1b[0m\r\n")

        assert exit_code(terminal) == 0
