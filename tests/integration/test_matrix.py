"""The contract and the main tests, on the engines of newer Debian releases."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.lab.newer_engines import ROOT_VARIABLE, engines_of

pytestmark = [pytest.mark.engines, pytest.mark.matrix, pytest.mark.timeout(3600)]

_HERE: Final = Path(__file__).parent
_TOPICS: Final = (
    *("engine_contract", "podman_engine", "isolation", "limits", "devices", "doctor"),
    *("run_network", "run_options", "serve", "warm", "kill"),
)


@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_the_main_tests_hold_with_the_engines_of(suite: str) -> None:
    env = {**os.environ, ROOT_VARIABLE: str(engines_of(suite))}
    files = [str(_HERE / f"test_{topic}.py") for topic in _TOPICS]

    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *files], env=env, check=False)

    assert done.returncode == 0
