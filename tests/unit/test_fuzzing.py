"""The fuzzer of `tests.fuzz`, for as long as a test may take: targets hold, bugs are found."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import ModelError
from ramalama.models.transports.base import RemoteModel
from tests.fuzz.mutation import changed
from tests.fuzz.targets import HOMES, find_target
from tests.fuzz.transports import TRANSPORTS
from tests.fuzz.writes import writing_only_below

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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

_BUG_BEHIND_JSON = """
import json

from tests.fuzz.targets import Target

def reader(data: bytes) -> None:
    try:
        layers = json.loads(data[1:])["layers"]
        if len(layers) > 2 and layers[1]["digest"] == layers[0]["size"]:
            raise IndexError("planted")
    except (ValueError, KeyError, TypeError):
        pass

SEED = b'x{"layers": [{"digest": "a", "size": 1}, {"digest": "b", "size": 2}]}'
TARGETS = {"planted": Target(run=reader, seeds=lambda: (SEED,), has_json=True)}
"""


def fuzz(words: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
    paths = (directory, _ROOT, *(_ROOT / leaf for leaf in ("engines", "accel", "chat", "values")))
    # The kernel counts as a program's peak what the process had that started it, and the suite may
    # have more than the fuzzer's limit: a shell between the two has little.
    return subprocess.run(
        ["/bin/sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-m", "tests.fuzz", *words],
        cwd=directory,
        env={"PYTHONPATH": ":".join(map(str, paths))},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", HOMES)
def test_no_input_of_a_short_run_breaks_what_reads_it(name: str, tmp_path: Path) -> None:
    target = find_target(name)

    words = [name, "--runs", str(target.short), "--corpus", str(tmp_path / "corpus")]
    run = fuzz(words, tmp_path)

    assert run.returncode == 0, run.stderr
    done = re.search(r"Done (\d+) runs", run.stderr)
    assert done is not None
    assert int(done[1]) >= target.short  # libFuzzer ends the round that it has begun
    # What it keeps are inputs that reach what no other did.
    assert len(list((tmp_path / "corpus").iterdir())) > len(target.seeds())


WAYS_OUT: Sequence[Callable[[Path], object]] = (
    Path.touch,
    Path.mkdir,
    lambda outside: outside.symlink_to("inside"),
    lambda outside: (outside.parent / "inside/file").rename(outside),
    lambda outside: (outside.parent / "inside/../outside").write_text("x"),
)


@pytest.mark.parametrize("write", WAYS_OUT)
def test_what_is_written_elsewhere_is_noticed(
    tmp_path: Path, write: Callable[[Path], object]
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()

    with writing_only_below(inside):
        (inside / "file").write_text("x")
    with pytest.raises(AssertionError, match="outside"), writing_only_below(inside):
        write(tmp_path / "outside")


@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_transport_finds_a_model_in_answers_that_make_sense(name: str) -> None:
    transport = TRANSPORTS[name]

    found = [transport.find(seed) for seed in transport.seeds()]

    assert sum(isinstance(each, RemoteModel) for each in found) >= 2
    assert any(isinstance(each, ModelError) for each in found)


def test_the_fuzzer_finds_a_bug_that_is_planted_behind_json(tmp_path: Path) -> None:
    (tmp_path / "planted_bug.py").write_text(_BUG_BEHIND_JSON)

    run = fuzz(["planted", "--module", "planted_bug", "--runs", "20000"], tmp_path)

    assert run.returncode != 0
    assert "IndexError: planted" in run.stdout + run.stderr


def test_the_fuzzer_finds_a_planted_bug_and_keeps_its_input(tmp_path: Path) -> None:
    (tmp_path / "planted_bug.py").write_text(_BUG)

    run = fuzz(["planted", "--module", "planted_bug", "--runs", "200000"], tmp_path)

    assert run.returncode != 0
    assert "IndexError: planted" in run.stdout + run.stderr
    (crash,) = tmp_path.glob("crash-*")
    assert crash.read_bytes().startswith(b"GGU")
    again = ["planted", "--module", "planted_bug", "--input", str(crash)]
    assert fuzz(again, tmp_path).returncode != 0


def test_json_that_is_too_deep_to_change_is_changed_as_bytes() -> None:
    deep = b'{"a":[' * 300 + b"1" + b"]}" * 300

    results = {changed(deep, 1 << 16, seed, otherwise=lambda data, _: data) for seed in range(50)}

    assert deep in results
