"""The examples, as a reader would run them: on a real engine, with a real model."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.integration.cli import Cli, user_of
from tests.lab.examples import EXAMPLES, environment
from tests.lab.registry import free_port
from tests.lab.service import running

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
    # A notebook shows the value that a cell ends with.
    head = "# pyright: strict, reportUnusedExpression=false"
    (directory / "notebook.py").write_text("\n".join([head, *code, ""]), encoding="utf-8")
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

    name, *said, colours = run(
        *(examples.program("python"), "-c", RUN_NOTEBOOK, notebook), env=env
    ).splitlines()

    assert name == "'smollm2'"
    assert any(said)
    assert len(colours) > len("''")


def test_a_service_streams_answers_from_its_start_to_its_end(
    examples: Installation, cli: Cli, model: Path
) -> None:
    port = free_port()
    command = (
        *(examples.program("uvicorn"), "fastapi_service:app"),
        *("--app-dir", str(EXAMPLES), "--port", str(port)),
    )

    def answers() -> bool:
        try:
            return httpx2.get(f"{url}/docs", trust_env=False).is_success
        except httpx2.TransportError:
            return False

    url, log, env = f"http://127.0.0.1:{port}", cli.home / "log", {**cli.env, "MODEL": str(model)}
    with running(command, log=log, ready=answers, env=env):
        question = {"question": "Say hello."}
        with httpx2.stream("POST", f"{url}/ask", json=question, trust_env=False) as reply:
            pieces = list(reply.iter_text())
        assert len(cli.containers()) == 1

    assert reply.is_success
    assert len(pieces) > 1
    assert "".join(pieces).strip()
    assert cli.containers() == []


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

    assert len(files) == 5
    assert [name for name in files if f"[{name}]({name})" not in listed] == []
