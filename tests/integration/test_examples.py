"""The examples, as a reader would run them: on a real engine, with a real model."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import Cli, user_of
from tests.lab.examples import EXAMPLES, environment

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.lab.pypi import Installation
    from tests.lab.service import EngineService

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

RUN_NOTEBOOK = """
import sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=120).execute()
for cell in notebook.cells:
    for output in cell.get("outputs", ()):
        print(output.get("text") or output["data"]["text/plain"])
"""


@pytest.fixture(scope="module")
def examples() -> Installation:
    return environment()


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the examples, away from our settings; the notebook is one more program."""
    directory = tmp_path_factory.mktemp("examples")
    for file in EXAMPLES.glob("*.py"):
        shutil.copy(file, directory)
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    # A notebook shows the value that a cell ends with, and runs in an event loop.
    head = "# pyright: strict, reportUnusedExpression=false\nasync def notebook() -> None:\n"
    body = textwrap.indent("\n".join([*code, ""]), "    ")
    (directory / "notebook.py").write_text(head + body, encoding="utf-8")
    return directory


@pytest.fixture
def cli(podman_service: EngineService, lab: Path) -> Generator[Cli]:
    """A user of Podman, who must have nothing left of the model in the end."""
    with user_of(podman_service, lab) as user:
        yield user


def run(*command: str | Path, env: dict[str, str]) -> str:
    """Run a command to its end; return what it prints."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["script.py", "several_at_once.py", "langchain_client.py"])
def test_a_program_prints_what_the_model_says(
    examples: Installation, cli: Cli, model: Path, name: str
) -> None:
    said = run(examples.program("python"), EXAMPLES / name, model, env=cli.env)

    assert len(said.split()) > 1


def test_a_notebook_runs_from_the_first_cell_to_the_last(
    examples: Installation, cli: Cli, model: Path
) -> None:
    notebook = EXAMPLES / "notebook.ipynb"
    env = {**cli.env, "MODEL": str(model)}

    shown, *said, numbers = run(
        *(examples.program("python"), "-c", RUN_NOTEBOOK, notebook), env=env
    ).splitlines()

    assert "smollm2" in shown
    assert any("Usage(" in line for line in said)
    assert numbers


def test_the_tests_of_a_program_pass_with_a_model_and_then_with_what_it_said(
    examples: Installation, cli: Cli, model: Path, tmp_path: Path
) -> None:
    shutil.copy(EXAMPLES / "test_with_pytest.py", tmp_path)
    pytest_here = (examples.program("pytest"), "--rootdir", tmp_path, tmp_path)
    env = {**cli.env, "MODEL": str(model)}

    first = run(*pytest_here, "--ramalama-record=once", env=env)
    later = run(
        *pytest_here, "--ramalama-record=none", env={**env, "CONTAINER_HOST": "unix:///nowhere"}
    )

    assert "4 passed" in first
    assert "4 passed" in later


@pytest.mark.parametrize(
    "checker",
    [
        ("mypy", ".", "--strict", "--python-executable"),
        ("pyright", "--project", ".", "--pythonpath"),
    ],
    ids=lambda words: words[0],
)
def test_the_types_are_right_where_a_reader_has_ramalama_installed(
    examples: Installation, sources: Path, checker: tuple[str, ...]
) -> None:
    (sources / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}', encoding="utf-8")
    module, *options = checker

    done = subprocess.run(
        [sys.executable, "-m", module, *options, examples.program("python")],
        check=False,
        capture_output=True,
        text=True,
        cwd=sources,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_example_is_in_the_list_of_examples() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = [file.name for file in EXAMPLES.iterdir() if file.suffix in {".py", ".ipynb"}]

    assert len(files) == 10
    assert [name for name in files if f"[{name}]({name})" not in listed] == []
