"""What models cost on the command line: to list a hundred, to look into one, to pull one.

Run ``python -m benchmarks.bench_models`` from the repository's root. The list is that of the wheel
in an environment of its own, as users have it. Pulling takes Debian's docker-registry and curl,
which verifies nothing and is the floor.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import venv
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.rounds import report, run_rounds
from ramalama.models.formats.gguf_metadata import read_metadata
from ramalama.models.reference.reference import ModelRef
from tests.integration.model_hosts import as_artifact
from tests.lab import assets
from tests.lab.registry import serve_registry
from tests.lab.scratch import scratch_directory
from tests.unit.ramalama.models.store.filled import publish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.registry import Registry

_ROOT: Final = Path(__file__).resolve().parents[1]
# The command, which then tells its peak; getrusage(2) would count what its parent had, too.
_COMMAND: Final = """
import sys
from ramalama.cli import main
code = main(sys.argv[1:])
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
sys.stderr.write(peak)
sys.exit(code)
"""
_MODELS: Final = 100
_FLOOR: Final = "python -c pass"


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    rounds: int = parser.parse_args(words).rounds
    model = assets.model()
    with scratch_directory() as directory:
        _list_and_inspect(directory, model, rounds)
        print()
        _read_header(model, rounds)
        print()
        with serve_registry(directory / "registry") as registry:
            _pull(directory, registry, model, max(3, rounds // 5))


def _list_and_inspect(directory: Path, model: Path, rounds: int) -> None:
    for number in range(_MODELS):
        publish(directory / "store", ModelRef.parse(f"ollama://m/{number}"), b"%d" % number)
    programs = _install(directory)
    store = ("--store", str(directory / "store"))
    commands = {
        _FLOOR: (programs / "python", "-c", "pass"),
        "ramalama version": (programs / "ramalama", "version"),
        f"ramalama list, {_MODELS} models": (programs / "ramalama", *store, "list"),
        "ramalama list --json": (programs / "ramalama", *store, "list", "--json"),
        "ramalama inspect MODEL": (programs / "ramalama", "inspect", str(model)),
    }
    contenders = {name: partial(_milliseconds, *command) for name, command in commands.items()}
    report(run_rounds(contenders, rounds), _FLOOR)


def _install(directory: Path) -> Path:
    """Install our wheel, alone: none of these commands needs another package."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(directory)]
    subprocess.run([*build, str(_ROOT)], check=True, capture_output=True)
    (wheel,) = directory.glob("*.whl")
    venv.create(directory / "venv", with_pip=True)
    programs = directory / "venv/bin"
    pip: list[Path | str] = [
        programs / "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        wheel,
    ]
    subprocess.run(pip, check=True)
    return programs


def _read_header(model: Path, rounds: int) -> None:
    size = read_metadata(model).size

    def read_bytes() -> float:
        began = time.perf_counter()
        with model.open("rb") as file:
            file.read(size)
        return (time.perf_counter() - began) * 1000

    def read_header() -> float:
        began = time.perf_counter()
        read_metadata(model)
        return (time.perf_counter() - began) * 1000

    floor = f"the header's {size / 1e6:.1f} MB alone"
    report(run_rounds({floor: read_bytes, "header of SmolLM2": read_header}, rounds), floor)


def _pull(directory: Path, registry: Registry, model: Path, rounds: int) -> None:
    hosted = as_artifact(registry, model.read_bytes())
    blob = max(directory.glob("registry/data/**/data"), key=lambda path: path.stat().st_size)
    name = hosted.reference.partition("/acme/")[2].rpartition(":")[0]
    url = f"{registry.url}/v2/acme/{name}/blobs/sha256:{blob.parent.name}"
    peaks: list[int] = []

    def ours() -> float:
        shutil.rmtree(directory / "store", ignore_errors=True)
        options = ("--store", str(directory / "store"), "-q", *hosted.options)
        command = [sys.executable, "-c", _COMMAND, "pull", *options, hosted.reference]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stderr))
        return (time.perf_counter() - began) * 1000

    curl = partial(_milliseconds, "curl", "-s", "-o", str(directory / "curl"), url)
    report(run_rounds({"curl -o": curl, "ramalama pull": ours}, rounds), "curl -o")
    print(f"peak memory of ramalama pull: {max(peaks) / 1000:.0f} MB")


def _milliseconds(*words: Path | str) -> float:
    began = time.perf_counter()
    # Without the byte code that an installed package has, compiling it would be measured.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True, env=env)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
