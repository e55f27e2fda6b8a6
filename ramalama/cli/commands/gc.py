"""`ramalama gc`: free the space that no model needs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS
from ramalama.cli.invocation import GlobalArguments, invoke, parser
from ramalama.cli.output.terminal import print_error
from ramalama.units import human_size

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_EPILOG = """\
It removes files of removed models, incomplete files of interrupted commands, and downloads that
have not continued for a week. No model is removed.
"""


def execute(words: Sequence[str]) -> int:
    """Run `ramalama gc` with the arguments *words*, and return the exit code."""
    arguments = make_parser().parse_args(words, GlobalArguments())
    invocation = invoke(arguments)

    def announce() -> None:
        if not invocation.quiet:
            print_error("Waiting for other commands that use the models …")

    report = invocation.models().collect_garbage(dry_run=arguments.dryrun, on_wait=announce)
    for path in (*report.contents, *report.partials, *report.leftovers):
        sys.stdout.write(f"{path}\n")
    if not invocation.quiet:
        print_error(f"{'Would free' if arguments.dryrun else 'Freed'} {human_size(report.freed)}")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama gc`."""
    return parser("gc", VERBS["gc"].summary, epilog=_EPILOG)
