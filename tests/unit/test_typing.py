"""What type checkers and programs learn from the types of the public names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOORS = (
    "ramalama/__init__.py",
    "accel/ramalama_accel/__init__.py",
    "chat/ramalama_chat/__init__.py",
    "engines/ramalama_engines/__init__.py",
)


@pytest.fixture
def nonsense(tmp_path: Path) -> Path:
    """Return a program that imports a name from each door that no door has."""
    file = tmp_path / "nonsense.py"
    packages = (Path(door).parent.name for door in DOORS)
    file.write_text("".join(f"from {package} import Nonsense\n" for package in packages))
    return file


def test_mypy_refuses_a_name_that_is_not_public(nonsense: Path) -> None:
    # Only the doors are read: what they import is Any, which saves ten seconds.
    options = ("--follow-imports=skip", "--no-incremental", "--no-warn-unused-ignores")
    command = [sys.executable, "-m", "mypy", *options, str(nonsense), *DOORS]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)

    refused = [line for line in done.stdout.splitlines() if 'has no attribute "Nonsense"' in line]
    assert len(refused) == len(DOORS), done.stdout + done.stderr


def test_pyright_refuses_a_name_that_is_not_public(nonsense: Path) -> None:
    # A settings file of its own: with that of the checkout, pyright would read every file.
    settings = {
        "include": [str(nonsense)],
        "extraPaths": [str((ROOT / door).parents[1]) for door in DOORS],
    }
    nonsense.with_name("pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "-p", str(nonsense.parent)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)

    found: list[dict[str, object]] = json.loads(done.stdout)["generalDiagnostics"]
    refused = [each for each in found if '"Nonsense" is unknown import symbol' in str(each)]
    assert len(refused) == len(DOORS), done.stdout + done.stderr
