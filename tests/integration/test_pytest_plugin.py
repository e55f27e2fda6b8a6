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

    result = run(cli.at("unix:///no/such.sock"), "-rs")

    result.assert_outcomes(**{counted: 1})
    result.stdout.fnmatch_lines([said])
    result.stdout.no_fnmatch_line("*exception*")


@on_podman
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("ramalama_without_engine = perhaps", "*must be fail or skip, not 'perhaps'*"),
        ("ramalama_keep_alive = long", "*must be a number of seconds, not 'long'*"),
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
