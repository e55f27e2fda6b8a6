"""`ramalama stop`: stop model servers and remove their containers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS
from ramalama.cli.exit_codes import USAGE
from ramalama.cli.invocation import GlobalArguments, ensure_no_dryrun, invoke, parser
from ramalama.cli.output.terminal import print_error
from ramalama.errors import EngineFailure
from ramalama_engines import ContainerNotFound
from ramalama_values.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from ramalama.api.client import Ramalama


class StopArguments(GlobalArguments):
    """The parsed arguments of `ramalama stop`."""

    all: bool
    ignore: bool
    names: list[str]


def execute(words: Sequence[str]) -> int:
    """Run `ramalama stop` with the arguments *words*, and return the exit code."""
    arguments = make_parser().parse_intermixed_args(words, StopArguments())
    if arguments.all == bool(arguments.names):
        print_error("Error: name the servers to stop, or give --all; `ramalama ps` lists them")
        return USAGE
    if ensure_no_dryrun(arguments, ["stop", *arguments.names]):
        return 0
    with invoke(arguments).ramalama() as ramalama:
        ramalama.remove_orphans()
        names = arguments.names or [state.name for state in ramalama.servers()]
        missing = _stop(ramalama, names)
    if missing and not (arguments.ignore or arguments.all):
        for error in missing[:-1]:
            print_error(f"Error: {error}")
        raise missing[-1]
    return 0


def _stop(ramalama: Ramalama, names: Iterable[str]) -> Sequence[EngineFailure]:
    """Stop the servers and print the name of each; return an error for each that was not found."""
    missing: list[EngineFailure] = []
    for name in names:
        try:
            ramalama.stop(name)
        except EngineFailure as exc:
            if not isinstance(exc.cause, ContainerNotFound):
                raise
            missing.append(exc)
        else:
            sys.stdout.write(printable(name) + "\n")
    return missing


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama stop`."""
    result = parser("stop", VERBS["stop"].summary)
    result.add_argument("names", metavar="NAME", nargs="*", help="name or container ID")
    result.add_argument("-a", "--all", action="store_true", help="stop every model server")
    result.add_argument("--ignore", action="store_true", help="no error if there is no such server")
    return result
