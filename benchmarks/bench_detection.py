"""How long detection takes on each made-up host, against an empty directory.

Run ``python -m benchmarks.bench_detection`` from the repository's root. Rounds are interleaved;
each figure is the fastest of them, since other load only ever adds. Then come the host that takes
longest, held against the goal, and the import of `ramalama_accel.detection` above that of the
standard modules it stands on.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from ramalama_accel import Host, detect
from tests.unit.accel.made_up_hosts import NAMES, make

GOAL = 0.010  # seconds above an empty directory, on every host
_IMPORT = """
import dataclasses, enum, pathlib, re, contextlib
from time import perf_counter
start = perf_counter()
import ramalama_accel.detection
print(perf_counter() - start)
"""


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds: int = parser.parse_args(words).rounds
    with tempfile.TemporaryDirectory() as directory:
        hosts = {"(empty)": _empty(Path(directory))}
        for name in NAMES:
            root = Path(directory, name)
            root.mkdir()
            hosts[name] = make(name, root).host
        times: dict[str, list[float]] = {name: [] for name in hosts}
        for _ in range(rounds):
            for name, host in hosts.items():
                times[name].append(_seconds(host))
    floor = min(times.pop("(empty)"))
    print(f"empty directory: {floor * 1000:.2f} ms")
    fastest = {name: min(samples) for name, samples in times.items()}
    for name, seconds in fastest.items():
        print(f"{name:40} {seconds / floor:6.1f} x  ({(seconds - floor) * 1000:+.2f} ms)")
    slowest = max(fastest, key=fastest.__getitem__)
    above = fastest[slowest] - floor
    verdict = "met" if above <= GOAL else "MISSED"
    print(f"slowest of {len(fastest)} hosts: {slowest}, {above * 1000:+.2f} ms", end="; ")
    print(f"goal {GOAL * 1000:+.0f} ms: {verdict}")
    print(f"import: {_import_cost() * 1000:+.1f} ms")


def _empty(directory: Path) -> Host:
    root = directory / "empty"
    root.mkdir()
    return Host(root=root)


def _seconds(host: Host) -> float:
    start = perf_counter()
    detect(host)
    return perf_counter() - start


def _import_cost() -> float:
    command = [sys.executable, "-c", _IMPORT]
    with tempfile.TemporaryDirectory() as directory:
        # The byte code that an installed package has, wherever the sources may not be written to.
        env = {**os.environ, "PYTHONPYCACHEPREFIX": directory}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        runs = [
            subprocess.run(command, env=env, capture_output=True, text=True, check=True)
            for _ in range(20)
        ]
    return min(float(run.stdout) for run in runs)


if __name__ == "__main__":
    main()
