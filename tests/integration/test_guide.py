"""The guide "Embed it": each of its snippets is run, or is a part of an example, which is run."""

from __future__ import annotations

import configparser
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.integration.cli import PATIENCE, Cli, user_of
from tests.lab.examples import EXAMPLES, environment

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.lab.service import EngineService

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

GUIDE: Final = Path(__file__).parents[2] / "docs/guide/embedding.md"
TEXT: Final = GUIDE.read_text(encoding="utf-8")
_BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A snippet, the number of the line where it begins, and the word after its fence."""

    line: int
    language: str
    text: str

    @property
    def is_tests(self) -> bool:
        """Whether pytest runs it."""
        return "def test_" in self.text

    @property
    def is_part_of_an_example(self) -> bool:
        """Whether an example has it word for word."""
        return any(self.text in file.read_text("utf-8") for file in EXAMPLES.glob("*.py"))


BLOCKS: Final = [
    Block(line=TEXT[: found.start()].count("\n") + 1, language=found[1], text=found[2])
    for found in _BLOCK.finditer(TEXT)
]
PYTHON: Final = [block for block in BLOCKS if block.language == "python"]
TESTS: Final = [block for block in PYTHON if block.is_tests]
(WORKER,) = [block for block in PYTHON if block.text.startswith("# worker.py\n")]
PROGRAMS: Final = [
    block
    for block in PYTHON
    if not (block.is_tests or block is WORKER or block.is_part_of_an_example)
]
INI: Final = [block for block in BLOCKS if block.language == "ini"]


@pytest.fixture
def cli(podman_service: EngineService, lab: Path) -> Generator[Cli]:
    """A user of Podman, who must have nothing left in the end."""
    with user_of(podman_service, lab) as user:
        yield user


def ready(block: Block, model: Path, embedder: Path) -> str:
    """Return a snippet with the models of the lab."""
    named = {"smollm2:135m": model, "nomic-embed-text": embedder}
    text = block.text
    for name, file in named.items():
        text = text.replace(name, str(file))
    return text


def test_every_snippet_is_of_a_kind_that_is_run() -> None:
    assert {block.language for block in BLOCKS} == {"python", "ini"}
    assert len(PROGRAMS) > 10
    assert all("import ramalama\n" in block.text for block in PROGRAMS)
    assert len(INI) == 2


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: f"line-{block.line}")
def test_a_program_of_the_guide_ends_well(
    cli: Cli, model: Path, embedder: Path, tmp_path: Path, block: Block
) -> None:
    program = tmp_path / "program.py"
    program.write_text(ready(block, model, embedder), encoding="utf-8")

    done = subprocess.run(
        [environment().program("python"), "-W", "error", program],
        check=False,
        capture_output=True,
        text=True,
        env=cli.env,
        timeout=PATIENCE * 2,
    )

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout
    assert cli.containers() == []


def test_the_tests_of_the_guide_pass_and_later_need_no_engine(
    cli: Cli, model: Path, embedder: Path, tmp_path: Path
) -> None:
    (settings,) = [block for block in INI if "[pytest]" in block.text]
    (tmp_path / "pytest.ini").write_text(ready(settings, model, embedder), encoding="utf-8")
    for block in TESTS:
        file = tmp_path / f"test_line_{block.line}.py"
        file.write_text(ready(block, model, embedder), encoding="utf-8")

    def run(*words: str, env: dict[str, str]) -> str:
        done = subprocess.run(
            [environment().program("pytest"), "-q", *words],
            check=False,
            capture_output=True,
            text=True,
            env=env,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    first = run(env=cli.env)
    without = {**cli.env, "CONTAINER_HOST": "unix:///nowhere"}
    later = run("--ramalama-record=none", "-k", "not TestAnswers", env=without)
    cli.run("stop", "--all")

    assert "4 passed" in first
    assert "3 passed, 1 deselected" in later


def test_a_worker_of_systemd_removes_its_server_when_it_is_stopped(
    cli: Cli, model: Path, embedder: Path, tmp_path: Path
) -> None:
    (text,) = [block.text for block in INI if "[Service]" in block.text]
    unit = configparser.ConfigParser()
    unit.read_string(text)
    program = tmp_path / "worker.py"
    program.write_text(ready(WORKER, model, embedder), encoding="utf-8")

    with subprocess.Popen(
        [environment().program("python"), program], stdout=subprocess.PIPE, env=cli.env
    ) as worker:
        assert worker.stdout is not None
        name = worker.stdout.readline().decode().strip()
        (container,) = cli.containers()
        worker.send_signal(signal.SIGTERM)  # what systemd sends
        code = worker.wait(PATIENCE)

    assert container["Name"].lstrip("/") == name
    assert str(code) == unit["Service"]["SuccessExitStatus"]
    assert unit["Service"]["ExecStart"].endswith(program.name)
    assert cli.containers() == []
