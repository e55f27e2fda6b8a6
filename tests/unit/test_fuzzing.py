"""The fuzzer of `tests.fuzz`, for as long as a test may take: targets hold, bugs are found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROOT = Path(__file__).parents[2]

# Behind three comparisons, which chance alone would not pass in years.
_BUG = """
from tests.fuzz.targets import Target

def reader(data: bytes) -> None:
    if data[:2] == b"GG":
        if data[2:3] == b"U":
            if len(data) > 5:
                raise IndexError("planted")

TARGETS = {"planted": Target(run=reader, seeds=lambda: (b"GG",))}
"""


def fuzz(words: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
    paths = (directory, _ROOT, *(_ROOT / leaf for leaf in ("engines", "accel", "chat")))
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *words],
        cwd=directory,
        env={"PYTHONPATH": ":".join(map(str, paths))},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_of_a_short_run_breaks_a_reader_of_headers(target: str, tmp_path: Path) -> None:
    run = fuzz([target, "--runs", "20000", "--corpus", str(tmp_path / "corpus")], tmp_path)

    assert run.returncode == 0, run.stderr
    assert "Done 20000 runs" in run.stderr
    # What it keeps are inputs that reach what no other did.
    assert len(list((tmp_path / "corpus").iterdir())) > 2 * len(TARGETS[target].seeds())


def test_the_fuzzer_finds_a_planted_bug_and_keeps_its_input(tmp_path: Path) -> None:
    (tmp_path / "planted_bug.py").write_text(_BUG)

    run = fuzz(["planted", "--module", "planted_bug", "--runs", "200000"], tmp_path)

    assert run.returncode != 0
    assert "IndexError: planted" in run.stdout + run.stderr
    (crash,) = tmp_path.glob("crash-*")
    assert crash.read_bytes().startswith(b"GGU")
    again = ["planted", "--module", "planted_bug", "--input", str(crash)]
    assert fuzz(again, tmp_path).returncode != 0
