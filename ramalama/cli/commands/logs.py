"""`ramalama logs`: print the log of a model server."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS
from ramalama.cli.invocation import GlobalArguments, ensure_no_dryrun, invoke, parser
from ramalama_values.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence


class LogsArguments(GlobalArguments):
    """The parsed arguments of `ramalama logs`."""

    follow: bool
    name: str
    tail: int | None


def execute(words: Sequence[str]) -> int:
    """Run `ramalama logs` with the arguments *words*, and return the exit code."""
    arguments = make_parser().parse_args(words, LogsArguments())
    if ensure_no_dryrun(arguments, ["logs", arguments.name]):
        return 0
    with invoke(arguments).ramalama() as ramalama:
        for line in ramalama.logs(arguments.name, follow=arguments.follow, tail=arguments.tail):
            sys.stdout.write(printable(line) + "\n")
            if arguments.follow:
                sys.stdout.flush()
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama logs`."""
    result = parser("logs", VERBS["logs"].summary)
    result.add_argument("name", metavar="NAME", help="name or container ID; see `ramalama ps`")
    result.add_argument(
        "-f", "--follow", action="store_true", help="print new lines until the server ends"
    )
    result.add_argument("--tail", type=_count, metavar="LINES", help="print only the last lines")
    return result


def _count(text: str) -> int:
    if not text.isdecimal():
        msg = f"{text!r} is not a number of lines"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
