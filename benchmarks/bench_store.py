"""What the store costs: a list of 100 models and the way to one, against ``python -c pass``.

Run ``python -m benchmarks.bench_store`` from the repository's root. Half of the models are ours,
half are upstream's own; the list is the library's, as a program of its own. A second table holds
publishing, finding and opening, in one process, against the smallest durable write: a file of a
few bytes, with fsync(2).
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

from benchmarks.rounds import report, run_rounds
from ramalama.models.reference.reference import ModelRef
from ramalama.models.store.store import ModelStore
from tests.unit.ramalama.models.store.filled import publish, put, record, write_upstream

MODELS = 100
_LIST = """
import sys
from pathlib import Path
from ramalama.models.store.store import ModelStore
assert len(ModelStore(Path(sys.argv[1])).list()) == int(sys.argv[2])
"""
_OPEN = """
import sys
from pathlib import Path
from ramalama.models.reference.reference import ModelRef, Scheme
from ramalama.models.store.store import ModelStore
store = ModelStore(Path(sys.argv[1]))
model = store.find(ModelRef(Scheme.OLLAMA, "ours/0", "latest"))
assert model and store.open(model).weights
"""
_IMPORT = "import ramalama.models.reference.reference, ramalama.models.store.store"
_REFERENCE = "import ramalama.models.reference.reference"


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    rounds: int = parser.parse_args(words).rounds
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory, "base")
        for number in range(MODELS // 2):
            publish(base, _ours(number), f"ours {number}".encode())
            weights = {"t.gguf": ("gguf", f"theirs {number}".encode())}
            write_upstream(base, f"ollama/theirs/{number}", "latest", weights)
        programs = {
            "python -c pass": ("pass",),
            f"list of {MODELS} models": (_LIST, str(base), str(MODELS)),
            "find and open one": (_OPEN, str(base)),
            "import of the store": (_IMPORT,),
            "import of references alone": (_REFERENCE,),
        }
        starts = {name: _starter(words, directory) for name, words in programs.items()}
        report(run_rounds(starts, rounds), "python -c pass")
        print()
        report(run_rounds(_deeds(base), rounds), "durable write")


def _ours(number: int) -> ModelRef:
    return ModelRef.parse(f"ollama://ours/{number}")


def _starter(words: tuple[str, ...], cache: str) -> Callable[[], float]:
    # The byte code that an installed package has, wherever the sources may not be written to.
    env = {**os.environ, "PYTHONPYCACHEPREFIX": f"{cache}/bytecode"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return _timed(lambda: subprocess.run([sys.executable, "-c", *words], env=env, check=True))


def _deeds(base: Path) -> dict[str, Callable[[], float]]:
    store = ModelStore(base)
    model = record(put(base, b"weights"), reference=_ours(0))
    store.publish(model)
    return {
        "durable write": _timed(lambda: _write(base / "tmp/floor")),
        "publish": _timed(lambda: store.publish(model)),
        "find": _timed(lambda: store.find(model.reference)),
        "open": _timed(lambda: store.open(model)),
        "list": _timed(store.list),
    }


def _write(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"x")
        file.flush()
        os.fsync(file.fileno())


def _timed(deed: Callable[[], object]) -> Callable[[], float]:
    def run() -> float:
        start = perf_counter()
        deed()
        return (perf_counter() - start) * 1000

    return run


if __name__ == "__main__":
    main()
