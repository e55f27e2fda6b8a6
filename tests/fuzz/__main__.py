"""Fuzz a reader of strangers' bytes, guided by what of it each input reaches:

    python -m tests.fuzz gguf --seconds 600 --corpus ~/corpus

The exit status is 0 if nothing was found; else the input is in ``crash-…``, ``timeout-…`` or
``oom-…`` in the present directory, and is tried again with ``--input FILE``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from tests.fuzz.mutation import changed
from tests.fuzz.targets import HOMES, find_target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

_SLOW = 5  # seconds, for one input
_MEMORY = 256  # megabytes, for Python with all it keeps; the shortest run takes 50
_LONGEST = 64 * 1024  # bytes of an input
_CHANGES = 2  # to an input at a time; with more at once few still make sense


class _Fuzzer(Protocol):
    """What we use of atheris, which has no types."""

    def instrument_imports(self, *, include: Sequence[str]) -> AbstractContextManager[None]: ...

    def Setup(  # noqa: N802 (its name)
        self,
        words: Sequence[str],
        target: Callable[[bytes], None],
        *,
        custom_mutator: Callable[[bytes, int, int], bytes] | None = None,
    ) -> object: ...

    def Mutate(self, data: bytes, most: int) -> bytes: ...  # noqa: N802 (its name)

    def Fuzz(self) -> None: ...  # noqa: N802 (its name)


class _Arguments(argparse.Namespace):
    corpus: Path | None
    input: Path | None
    module: str | None
    runs: int
    seconds: int
    target: str


def main() -> None:
    """Fuzz, and exit."""
    arguments = _parser().parse_args(namespace=_Arguments())
    fuzzer = cast("_Fuzzer", importlib.import_module("atheris"))
    # What is to guide it must be imported under its eyes, and nothing of it before.
    guides = ["ramalama", "ramalama_chat", "ramalama_engines.discovery", "ramalama_engines.address"]
    guides.append(arguments.module or "ramalama")
    with fuzzer.instrument_imports(include=guides):
        target = find_target(arguments.target, module=arguments.module)
    with tempfile.TemporaryDirectory() as own:
        corpus = arguments.corpus or Path(own)
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(target.seeds()):
            (corpus / f"seed-{number}").write_bytes(seed)
        mutator = _json_mutator(fuzzer) if target.has_json else None
        words = _words(arguments, corpus, has_json=target.has_json)
        fuzzer.Setup(words, target.run, custom_mutator=mutator)
        fuzzer.Fuzz()


def _json_mutator(fuzzer: _Fuzzer) -> Callable[[bytes, int, int], bytes]:
    def mutate(data: bytes, most: int, seed: int) -> bytes:
        return changed(data, most, seed, otherwise=fuzzer.Mutate)

    return mutate


def _words(arguments: _Arguments, corpus: Path, *, has_json: bool) -> Sequence[str]:
    limits = [f"-timeout={_SLOW}", f"-rss_limit_mb={_MEMORY}", f"-max_len={_LONGEST}"]
    # Left alone, it prefers the shortest input that reaches a place, which has the least in it that
    # a change could lead on from.
    limits += [f"-mutate_depth={_CHANGES}", "-reduce_inputs=0"]
    if has_json:  # whose length grows in leaps
        limits.append("-len_control=0")
    if arguments.input is not None:
        return [sys.argv[0], *limits, str(arguments.input)]
    ends = [f"-max_total_time={arguments.seconds}", f"-runs={arguments.runs}", "-seed=1"]
    return [sys.argv[0], *limits, *ends, "-print_final_stats=1", str(corpus)]


def _parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description="Fuzz a reader of strangers' bytes.")
    result.add_argument("target", help=f"one of {', '.join(HOMES)}")
    result.add_argument("--seconds", type=int, default=0, help="0 is for ever")
    result.add_argument("--runs", type=int, default=-1, help="inputs to try; -1 is for ever")
    result.add_argument("--corpus", type=Path, help="keeps what was learned for the next time")
    result.add_argument("--input", type=Path, help="try this one alone")
    result.add_argument("--module", help=argparse.SUPPRESS)
    return result


if __name__ == "__main__":
    main()
