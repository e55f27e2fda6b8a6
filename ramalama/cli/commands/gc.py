"""`ramalama gc`: free the space that no model needs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS
from ramalama.cli.invocation import GlobalArguments, Invocation, invoke, parser
from ramalama.cli.output.engine_side import note_own_host
from ramalama.cli.output.terminal import print_error
from ramalama.units import human_size
from ramalama_values.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_EPILOG = """\
It removes files of removed models, incomplete files of interrupted commands, and downloads that
have not continued for a week. No model is removed. With --engine-side it removes the copies of
models on the engine's host that no server uses; they are sent again when they are needed.
"""


class GcArguments(GlobalArguments):
    """The parsed arguments of `ramalama gc`."""

    engine_side: bool


def execute(words: Sequence[str]) -> int:
    """Run `ramalama gc` with the arguments *words*, and return the exit code."""
    arguments = make_parser().parse_args(words, GcArguments())
    invocation = invoke(arguments)
    if arguments.engine_side:
        return _remove_copies(invocation, dry_run=arguments.dryrun)

    def announce() -> None:
        if not invocation.quiet:
            print_error("Waiting for other commands that use the models …")

    report = invocation.models().collect_garbage(dry_run=arguments.dryrun, on_wait=announce)
    for path in (*report.contents, *report.partials, *report.leftovers):
        sys.stdout.write(f"{path}\n")
    _report(invocation, report.freed, dry_run=arguments.dryrun)
    return 0


def _remove_copies(invocation: Invocation, *, dry_run: bool) -> int:
    with invocation.ramalama() as ramalama:
        copies = ramalama.remove_copies(dry_run=dry_run)
        note_own_host(ramalama, quiet=invocation.quiet)
    for copy in copies:
        sys.stdout.write(f"{printable(copy.place)}\n")
    _report(invocation, sum(copy.size or 0 for copy in copies), dry_run=dry_run)
    return 0


def _report(invocation: Invocation, freed: int, *, dry_run: bool) -> None:
    if not invocation.quiet:
        print_error(f"{'Would free' if dry_run else 'Freed'} {human_size(freed)}")


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama gc`."""
    result = parser("gc", VERBS["gc"].summary, epilog=_EPILOG)
    result.add_argument(
        "--engine-side",
        action="store_true",
        help="free the copies of models on the host of a remote engine",
    )
    return result
