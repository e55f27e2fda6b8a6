"""A real server whose model reasons, sees and calls tools: SmolLM2, which was shown how.

A chat template of the tests' own has examples in it, a projector turns three colours into their
names. Both come to the server as they would come from any author: out of a registry, by the store.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import model_hosts
from tests.integration.cli import Cli, Done, user_of
from tests.integration.made_sight import make_eye, make_picture
from tests.integration.screen import EDITED, Screen
from tests.integration.tool_servers import LEFT_OUT, Stdio, http_server, make_stdio

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.lab.registry import Registry
    from tests.lab.service import EngineService

pytestmark = pytest.mark.engines

TEMPLATE = Path(__file__).with_name("able.jinja")
PROMPT = "me>"
DIM = "\x1b[2m"
ALWAYS = "--mcp-approve=always"
SUM = "What is 17 plus 25?"
CALL = 'tools: add {"a": 17, "b": 25}'
SIGHT = "Which colour is this?"
GRASS = f"{SIGHT} green grass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Able:
    """A user, and the model that runs for them with *options*."""

    cli: Cli
    options: tuple[str, ...]
    reference: str

    def run(self, *words: str) -> Done:
        """Ask the server; the last of *words* is the prompt."""
        *options, prompt = words
        return self.cli.run("run", "-q", *self.options, *options, self.reference, prompt)

    @contextmanager
    def screen(self, *options: str, prompt: str = "") -> Generator[Screen]:
        """Begin a talk at a terminal, or ask for one answer to *prompt* there."""
        words = ("run", f"--prefix={PROMPT}", *self.options, *options, self.reference)
        with self.cli.terminal(*words, *filter(None, [prompt]), env=EDITED) as child:
            yield Screen(child)

    @property
    def url(self) -> str:
        """Where the server is."""
        (path,) = self.cli.run_dir.glob("*/api.sock")
        return f"unix://{path}"

    def prompts(self) -> list[str]:
        """Return what the model has read last in each of its slots, as the template wrote it."""
        with self.cli.server() as server:
            slots: list[dict[str, Any]] = server.get("/slots").raise_for_status().json()
        return [str(slot.get("prompt")) for slot in slots]


@pytest.fixture(scope="module")
def able(
    podman_service: EngineService, lab: Path, registry: Registry, model: Path
) -> Generator[Able]:
    weights = model.read_bytes()
    more = {"mmproj": make_eye(weights), "chat.template.jinja": TEMPLATE.read_bytes()}
    hosted = model_hosts.for_docker_model_runner(registry, weights, more)
    options = ("--ctx-size=2048", "--temp=0", "--env=LLAMA_SERVER_SLOTS_DEBUG=1", *hosted.options)
    with user_of(podman_service, lab) as cli:
        started = cli.run("serve", "-d", "-q", *options, hosted.reference)
        assert started.code == 0, started.err
        try:
            yield Able(cli=cli, options=options, reference=hosted.reference)
        finally:
            cli.run("stop", "--all")


@pytest.fixture
def stdio(tmp_path: Path) -> Stdio:
    return make_stdio(tmp_path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A directory with pictures named after their colours, and one that is broken."""
    for color in ("red", "green", "blue"):
        (tmp_path / f"{color}.png").write_bytes(make_picture(color))
    (tmp_path / "broken.png").write_bytes(make_picture("red")[:40])
    return tmp_path


def test_the_model_calls_a_tool_and_answers_with_what_it_said(able: Able, stdio: Stdio) -> None:
    done = able.run(stdio.option, ALWAYS, SUM)

    assert (done.code, done.out) == (0, "It is 42.\n")
    assert done.err == f"{LEFT_OUT}(tool: {CALL})\n"
    assert stdio.has_ended()


def test_the_model_goes_on_from_what_it_thought_before_the_call(able: Able, tmp_path: Path) -> None:
    with http_server(tmp_path) as url:
        words = ("--url", able.url, "--mcp", url, ALWAYS, "--json", "--temp=0", SUM)
        done = able.cli.run("chat", *words)

    told = json.loads(done.out)
    assert (told["text"], told["finish_reason"]) == ("It is 42.", "stop")
    assert told["reasoning"] == "I add 17 and 25.\nI know the sum.\n"
    thread = "<think>\nI add 17 and 25.\n</think>\n<tool_call>"
    assert any(thread in prompt and "The tool says: 42" in prompt for prompt in able.prompts())


def test_a_person_is_asked_before_the_call(able: Able, stdio: Stdio) -> None:
    with able.screen("--color=never", stdio.option) as screen:
        screen.wait_for(PROMPT)
        screen.type(f"{SUM}\r")
        screen.wait_for_text(f"Tool call: {CALL}\nCall tools: add? [y]es, [n]o, [a]lways:")
        screen.type("y\r")
        screen.wait_for("It is 42.", PROMPT)
        screen.type("/bye\r")

        assert screen.wait_for_end() == 0
    assert stdio.has_ended()


def test_the_model_is_told_that_a_call_is_not_allowed(able: Able, stdio: Stdio) -> None:
    done = able.run(stdio.option, SUM)

    assert (done.code, done.out) == (0, "I am not allowed to.\n")
    assert (
        done.err
        == f"{LEFT_OUT}(refused, since the user cannot be asked: {CALL}; see --mcp-approve)\n"
    )


@pytest.mark.parametrize(
    ("think", "lines"),
    [("on", ["I think of green grass.", "It is green."]), ("off", ["It is green."])],
)
def test_thoughts_stand_dim_before_the_answer_unless_there_shall_be_none(
    able: Able, think: str, lines: list[str]
) -> None:
    with able.screen(f"--think={think}", prompt=GRASS) as screen:
        assert screen.wait_for_end() == 0

    assert screen.lines == lines
    assert (f"{DIM}I think" in screen.raw) is (think == "on")


def test_a_program_gets_the_thoughts_with_json_alone(able: Able) -> None:
    plain = able.run(GRASS)
    told, briefly = (
        json.loads(able.run("--json", f"--think={think}", GRASS).out) for think in ("on", "off")
    )

    assert plain == Done(code=0, out="It is green.\n")
    assert (told["text"], told["reasoning"]) == ("It is green.", "I think of green grass.\n")
    assert (briefly["text"], briefly["reasoning"]) == ("It is green.", None)


def test_thinking_is_switched_off_and_on_in_the_middle_of_a_talk(able: Able) -> None:
    with able.screen("--color=never") as screen:
        screen.wait_for(PROMPT)
        screen.type(f"{GRASS}\r")
        screen.wait_for("I think of green grass.", "It is green.", PROMPT)
        screen.type("/think off\r")
        screen.wait_for("Reasoning is off.", PROMPT)
        screen.type(f"{SIGHT} red blood\r")
        screen.wait_for(f"{PROMPT}{SIGHT} red blood", "It is red.", PROMPT)
        (asked,) = (prompt for prompt in able.prompts() if "red blood" in prompt)
        screen.type("/think on\r")
        screen.wait_for("Reasoning is on.", PROMPT)
        screen.type(f"{SIGHT} grey ash\r")
        screen.wait_for("I think of grey ash.", "It is grey.", PROMPT)

    assert "<think>" not in asked


@pytest.mark.parametrize("color", ["red", "blue"])
def test_the_model_sees_a_picture(able: Able, pictures: Path, color: str) -> None:
    done = able.run(f"--picture={pictures}/{color}.png", SIGHT)

    assert done == Done(code=0, out=f"It is {color}.\n")


def test_each_picture_takes_as_many_tokens_as_the_first(able: Able, pictures: Path) -> None:
    counts: list[int] = []
    for number in range(3):
        words = [f"--picture={pictures}/red.png"] * number
        told = json.loads(able.run(*words, "--json", "--max-tokens=1", SIGHT).out)
        counts.append(told["usage"]["prompt_tokens"])

    none, one, two = counts
    assert two - one == one - none > 0


def test_pictures_are_attached_in_a_talk_and_a_broken_one_does_not_end_it(
    able: Able, pictures: Path
) -> None:
    with able.screen("--color=never", "--think=off") as screen:
        screen.wait_for(PROMPT)
        screen.type(f"/image {pictures}/broken.png\r")
        screen.wait_for("Attached to your next message.", PROMPT)
        screen.type(f"{SIGHT}\r")
        screen.wait_for_text("Error: the server refused the request (HTTP 400)")
        for color in ("green", "blue"):
            screen.type(f"/image {pictures}/{color}.png\r")
            screen.wait_for("Attached to your next message.", PROMPT)
            screen.type(f"{SIGHT}\r")
            screen.wait_for(f"It is {color}.", PROMPT)
