"""What `--rag` adds to the first token of `ramalama run`, against the same words without it.

The manual pages of this repository are indexed with an embedding model, whose server is ready and
idle. The floor is `run` with the very prompt that `--rag` makes of the question, so the model has
the same to read. What is left is ours: opening the index, finding the embedding model, the search.
The embedding of the question, which is the model's time, is measured by itself.

* cold: the model's server is started for the question.
* warm: it runs already, so that nothing hides our time.

Also the memory of the command when the first word comes.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.asking import COMMAND, TOKENS, time_command
from benchmarks.rounds import report, run_rounds
from ramalama import ModelRef, Ramalama, ServeOptions
from ramalama.rag.indexing import index_documents
from ramalama_engines import EngineKind, InvokingUser

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_GOAL = 40  # ms
_MEMORY_GOAL = 80  # MB
_QUESTION = "How do I publish the server on a port of this host with a key?"
_DOCUMENTS = Path(__file__).resolve().parents[1] / "docs"
_ROOM = 2048  # tokens: the default context
_FLOOR = "the same words without --rag"


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", type=EngineKind, required=True)
    parser.add_argument("--socket", required=True, help="path of the engine's socket")
    parser.add_argument("--model", required=True, help="path of a GGUF file")
    parser.add_argument("--embedder", required=True, help="path of an embedding model")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args(words)
    variable = "CONTAINER_HOST" if arguments.engine is EngineKind.PODMAN else "DOCKER_HOST"
    env = {**os.environ, variable: f"unix://{arguments.socket}"}
    user = InvokingUser(env=env, home=Path.home(), uid=os.getuid())
    options = ServeOptions(model=ModelRef.parse(arguments.model), temp=0, parallel=1)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as directory,
        Ramalama(user=user) as ramalama,
        ramalama.embedder(arguments.embedder) as embedder,
    ):
        if embedder is None:
            sys.exit("there is no embedding model")
        index = Path(directory, "docs.db")
        made = index_documents([str(_DOCUMENTS)], index, embedder=embedder)
        embedding = statistics.median(_time(embedder.embed_question) for _ in range(20))
        print(f"{made.meta.chunks} chunks; a question is embedded in {embedding:.1f} ms")
        with ramalama.documents(index) as knowledge:
            prompt = knowledge.look_up(_QUESTION, [], _ROOM).prompt
        run = [COMMAND, "--engine", arguments.engine, "run", "-q", "--temp", "0", arguments.model]
        bench = _Bench(run, env, index, prompt)
        bench.measure("cold", embedding, arguments.rounds)
        with ExitStack() as warm:
            warm.enter_context(ramalama.serve(options, reuse=True))
            bench.measure("warm", embedding, arguments.rounds)
            bench.measure_memory()


class _Bench:
    def __init__(
        self, run: Sequence[str], env: Mapping[str, str], index: Path, prompt: str
    ) -> None:
        self._run = run
        self._env = env
        self._index = index
        self._prompt = prompt
        self._cpu: dict[str, list[float]] = {}

    def measure(self, name: str, embedding: float, rounds: int) -> None:
        """Print what is added to the first token, besides the embedding of the question."""
        print(name)
        self._cpu = {_FLOOR: [], "--rag": []}
        numbers = count()
        limit = ["--max-tokens", str(TOKENS)]

        def without() -> float:
            # Another last word each time, so that the server's cache has as little as with --rag.
            words = [*self._run, *limit, f"{self._prompt} ({next(numbers)})"]
            return self._first(_FLOOR, words)

        def with_documents() -> float:
            question = f"{_QUESTION} ({next(numbers)})"
            words = [*self._run, *limit, f"--rag={self._index}", question]
            return self._first("--rag", words)

        times = run_rounds({_FLOOR: without, "--rag": with_documents}, rounds)
        report(times, _FLOOR)
        pairs = zip(times["--rag"], times[_FLOOR], strict=True)
        added = statistics.median(ours - floor for ours, floor in pairs)
        cpu = statistics.median(self._cpu["--rag"]) - statistics.median(self._cpu[_FLOOR])
        print(
            f"added {added:.1f} ms, of which the embedding takes {embedding:.1f} ms:"
            f" {added - embedding:.1f} ms (goal {_GOAL}); {cpu:.0f} ms of CPU time in the command"
        )

    def _first(self, name: str, words: Sequence[str]) -> float:
        before = _cpu_of_children()
        first = time_command(words, self._env).first
        self._cpu[name].append(_cpu_of_children() - before)
        return first

    def measure_memory(self) -> None:
        """Print how much memory the command has when the first word comes."""
        floor = self._memory([*self._run, self._prompt])
        ours = self._memory([*self._run, f"--rag={self._index}", _QUESTION])
        print(f"memory {ours} MB, {ours - floor} MB more than without (goal {_MEMORY_GOAL})")

    def _memory(self, words: Sequence[str]) -> int:
        with subprocess.Popen(words, env=self._env, stdout=subprocess.PIPE) as process:
            if process.stdout is not None:
                os.read(process.stdout.fileno(), 1)
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            process.terminate()
        peak = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(peak[1]) // 1024 if peak else 0


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def _time(embed: Callable[[str], object]) -> float:
    began = time.perf_counter()
    embed(_QUESTION)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
