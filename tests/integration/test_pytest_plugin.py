"""The fixtures that other people's tests have of us, in a pytest of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli import Cli

pytest_plugins = ["pytester", "tests.integration.users"]
pytestmark = pytest.mark.engines

on_podman = pytest.mark.parametrize("cli", ["podman"], indirect=True)

ASKS = """
import pytest

@pytest.mark.ramalama(model={model!r}, ctx_size=256)
class TestMarked:
    def test_it_answers(self, ramalama_server):
        assert "".join(ramalama_server.chat().ask("Hello!"))

    def test_it_is_still_the_same(self, ramalama_server, ramalama_servers):
        assert ramalama_servers({model!r}, ctx_size=256) is ramalama_server
"""
UNMARKED = """
def test_without_a_marker(ramalama_server):
    assert ramalama_server.model == "smollm2"
"""
ASKS_TWO = """
import pytest
from ramalama import RamalamaError

def ask(server, prompt):
    chat = server.chat(system="Be brief.")
    chat.parameters["max_tokens"] = 8
    return "".join(chat.ask(prompt))

@pytest.mark.parametrize("prompt", {prompts!r})
def test_it_answers(ramalama_server, prompt):
    assert ramalama_server.model == "smollm2"
    assert ask(ramalama_server, prompt)

def test_it_goes_on_where_nothing_is_said(ramalama_server):
    try:
        ask(ramalama_server, {prompts!r}[-1])
    except RamalamaError:
        pass
"""
NOWHERE = "unix:///no/such.sock"


Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a pytest of a user's own."""

    def run_as(cli: Cli, *words: str) -> pytest.RunResult:
        # Whether or not this very installation has the entry point, it is loaded once.
        environment = {**cli.env, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return pytester.runpytest_subprocess("-p", "ramalama.pytest_plugin", *words)

    return run_as


def test_a_marked_test_has_its_model(
    pytester: pytest.Pytester, run: Run, cli: Cli, model: Path
) -> None:
    pytester.makepyfile(ASKS.format(model=str(model)))

    run(cli, "--strict-markers").assert_outcomes(passed=2)

    assert cli.containers() == []


@on_podman
def test_the_ini_file_names_the_model_of_all_others(
    pytester: pytest.Pytester, run: Run, cli: Cli, model: Path
) -> None:
    pytester.makepyfile(UNMARKED)
    pytester.makeini(f"[pytest]\nramalama_model = {model}\n")

    run(cli).assert_outcomes(passed=1)

    assert cli.containers() == []


@on_podman
def test_a_model_can_stay_loaded_for_the_next_run(
    pytester: pytest.Pytester, run: Run, cli: Cli, model: Path
) -> None:
    pytester.makepyfile(UNMARKED)
    pytester.makeini(f"[pytest]\nramalama_model = {model}\nramalama_keep_alive = 600\n")
    run(cli).assert_outcomes(passed=1)
    (first,) = cli.containers()
    run(cli).assert_outcomes(passed=1)
    (second,) = cli.containers()
    cli.run("stop", "--all")

    assert first["Id"] == second["Id"]


@on_podman
@pytest.mark.parametrize(
    ("policy", "outcome"),
    [
        ("", ("errors", "*cannot serve *: CONTAINER_HOST says*does not exist*")),
        ("fail", ("errors", "*cannot serve *: CONTAINER_HOST says*does not exist*")),
        ("skip", ("skipped", "*no model without a container engine: CONTAINER_HOST says*")),
    ],
)
def test_without_an_engine_a_test_fails_or_is_skipped_as_the_ini_file_says(
    pytester: pytest.Pytester,
    run: Run,
    cli: Cli,
    policy: str,
    outcome: tuple[str, str],
) -> None:
    counted, said = outcome
    pytester.makepyfile(UNMARKED)
    setting = f"ramalama_without_engine = {policy}" if policy else ""
    pytester.makeini(f"[pytest]\nramalama_model = ./model.gguf\n{setting}\n")
    pytester.path.joinpath("model.gguf").write_bytes(b"GGUF" + bytes(20))

    result = run(cli.at(NOWHERE), "-rs")

    result.assert_outcomes(**{counted: 1})
    result.stdout.fnmatch_lines([said])
    result.stdout.no_fnmatch_line("*exception*")


@on_podman
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("ramalama_without_engine = perhaps", "*must be fail or skip, not 'perhaps'*"),
        ("ramalama_keep_alive = long", "*must be a number of seconds, not 'long'*"),
        ("ramalama_record = twice", "*must be one of off, none, once, all, not 'twice'*"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told_at_once(
    pytester: pytest.Pytester,
    run: Run,
    cli: Cli,
    settings: str,
    said: str,
) -> None:
    pytester.makeini(f"[pytest]\n{settings}\n")

    result = run(cli)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


@on_podman
def test_a_test_that_names_no_model_is_told_how(
    pytester: pytest.Pytester, run: Run, cli: Cli
) -> None:
    pytester.makepyfile(UNMARKED)

    result = run(cli)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no model: mark the test with @pytest.mark.ramalama*"])


def test_what_a_model_said_is_recorded_and_later_needs_no_engine(
    pytester: pytest.Pytester, run: Run, cli: Cli, model: Path
) -> None:
    pytester.makepyfile(test_two=ASKS_TWO.format(prompts=["One?", "Two?"]))
    pytester.makeini(f"[pytest]\nramalama_model = {model}\nramalama_record = once\n")
    run(cli).assert_outcomes(passed=3)
    recording = pytester.path / "recordings" / "test_two.json"
    recorded = recording.read_bytes()

    run(cli.at(NOWHERE)).assert_outcomes(passed=3)
    run(cli.at(NOWHERE), "--ramalama-record=none", "-k", "goes_on").assert_outcomes(
        passed=1, deselected=2
    )

    assert recording.read_bytes() == recorded
    assert str(model).encode() not in recorded
    assert cli.containers() == []


@on_podman
def test_a_test_fails_that_asks_what_is_not_recorded_even_if_it_does_not_notice(
    pytester: pytest.Pytester, run: Run, cli: Cli, model: Path
) -> None:
    pytester.makepyfile(test_two=ASKS_TWO.format(prompts=["One?"]))
    pytester.makeini(f"[pytest]\nramalama_model = {model}\n")
    run(cli, "--ramalama-record=once").assert_outcomes(passed=2)
    pytester.makepyfile(test_two=ASKS_TWO.format(prompts=["Three?"]))

    result = run(cli.at(NOWHERE), "--ramalama-record=none")

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["*'Three?'* is not recorded in *test_two.json; run pytest with --ramalama-record=once*"]
    )


@on_podman
def test_a_test_of_a_model_that_is_not_recorded_says_how_to_record_it(
    pytester: pytest.Pytester, run: Run, cli: Cli
) -> None:
    pytester.makepyfile(UNMARKED)
    pytester.makeini("[pytest]\nramalama_model = tiny:latest\n")

    result = run(cli.at(NOWHERE), "--ramalama-record=none")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*nothing of tiny:latest is recorded in *--ramalama-record=once*"])
