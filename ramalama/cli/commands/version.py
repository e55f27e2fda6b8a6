"""`ramalama version` with options; without options, `ramalama.cli.main` prints the version."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ramalama._version import __version__
from ramalama.cli.dispatch import VERBS
from ramalama.cli.invocation import GlobalArguments, parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def execute(words: Sequence[str]) -> int:
    """Print the version, with `--quiet` only its number, and return the exit code."""
    arguments = make_parser().parse_args(words, GlobalArguments())
    text = __version__ if arguments.quiet else f"ramalama version {__version__}"
    sys.stdout.write(f"{text}\n")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama version`."""
    return parser("version", VERBS["version"].summary)
