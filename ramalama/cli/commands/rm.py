"""`ramalama rm`: remove local models."""

from __future__ import annotations

import sys
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS
from ramalama.cli.exit_codes import USAGE
from ramalama.cli.invocation import GlobalArguments, ensure_no_dryrun, invoke, parser
from ramalama.cli.output.terminal import print_error
from ramalama.errors import InvalidReference, ModelNotFound
from ramalama.units import human_size
from ramalama_values.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ramalama.models.library import Models
    from ramalama.models.reference.reference import ModelRef


class RmArguments(GlobalArguments):
    """The parsed arguments of `ramalama rm`."""

    all: bool
    ignore: bool
    models: list[str]


def execute(words: Sequence[str]) -> int:
    """Run `ramalama rm` with the arguments *words*, and return the exit code."""
    arguments = make_parser().parse_intermixed_args(words, RmArguments())
    if arguments.all == bool(arguments.models):
        print_error("Error: name the models to remove, or give --all; `ramalama list` lists them")
        return USAGE
    if ensure_no_dryrun(arguments, ["rm", *arguments.models]):
        return 0
    invocation = invoke(arguments)
    models = invocation.models()
    freed = 0
    for text in arguments.models:
        with suppress(InvalidReference, ModelNotFound) if arguments.ignore else nullcontext():
            freed += _remove(models, invocation.resolve(models, text))
    if arguments.all:
        for model in models.list():
            with suppress(ModelNotFound):  # another command has removed it
                freed += _remove(models, model.reference)
    if not invocation.quiet:
        print_error(f"Freed {human_size(freed)}")
    return 0


def _remove(models: Models, reference: ModelRef) -> int:
    """Remove a model, print its reference, and return how many bytes that freed."""
    removed = models.remove(reference)
    sys.stdout.write(printable(str(reference)) + "\n")
    return removed.freed


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama rm`."""
    result = parser("rm", VERBS["rm"].summary)
    result.add_argument("models", metavar="MODEL", nargs="*", help="reference or short name")
    result.add_argument("-a", "--all", action="store_true", help="remove every model")
    result.add_argument("--ignore", action="store_true", help="no error if there is no such model")
    return result
