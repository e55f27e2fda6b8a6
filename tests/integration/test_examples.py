"""The examples, as a reader would run them: on a real engine, with a real model."""

from __future__ import annotations

import subprocess
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

    name, *said, tokens = run(
        *(examples.program("python"), "-c", RUN_NOTEBOOK, notebook), env=env
    ).splitlines()

    assert name == "'smollm2'"
    assert any(said)
    assert 0 < int(tokens) <= 32


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


def test_every_example_is_in_the_list_of_examples() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = [file.name for file in EXAMPLES.iterdir() if file.suffix in {".py", ".ipynb"}]

    assert len(files) == 5
    assert [name for name in files if f"[{name}]({name})" not in listed] == []
