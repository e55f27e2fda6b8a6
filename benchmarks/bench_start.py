"""Cold start of the commands that ask nobody, against `python -c pass` of the same interpreter."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from benchmarks.rounds import report, run_rounds

_COMMAND = str(Path(sys.executable).with_name("ramalama"))


def _milliseconds(*words: str) -> float:
    began = time.perf_counter()
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1000


def main(words: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args(words).rounds
    python = sys.executable
    contenders = {
        "python -c pass": partial(_milliseconds, python, "-c", "pass"),
        "ramalama version": partial(_milliseconds, _COMMAND, "version"),
        "ramalama --help": partial(_milliseconds, _COMMAND, "--help"),
        "ramalama run --help": partial(_milliseconds, _COMMAND, "run", "--help"),
        "import ramalama": partial(_milliseconds, python, "-c", "import ramalama"),
        "ramalama.Ramalama": partial(
            _milliseconds, python, "-c", "import ramalama as r; r.Ramalama"
        ),
    }
    report(run_rounds(contenders, rounds), "python -c pass")


if __name__ == "__main__":
    main()
