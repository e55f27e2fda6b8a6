"""`ramalama logout`: remove the stored credentials for a registry."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS
from ramalama.cli.exit_codes import USAGE
from ramalama.cli.invocation import GlobalArguments, add_option, ensure_no_dryrun, invoke, parser
from ramalama.cli.output.terminal import print_error
from ramalama.config.option_table import OPTIONS
from ramalama.models.auth.huggingface import remove_token
from ramalama.models.auth.registry import RegistryName, logout, names_huggingface

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ramalama.cli.invocation import Invocation

_EPILOG = """\
examples:
  ramalama logout quay.io
  ramalama logout --authfile ./auth.json localhost:5000
  ramalama logout huggingface
"""


class LogoutArguments(GlobalArguments):
    """The parsed arguments of `ramalama logout`."""

    authfile: Path | None
    registry: str | None
    token: str | None


def execute(words: Sequence[str]) -> int:
    """Run `ramalama logout` with the arguments *words*, and return the exit code."""
    arguments = make_parser().parse_args(words, LogoutArguments())
    registry = arguments.registry
    if not registry:
        print_error("Error: REGISTRY is missing; for example: `ramalama logout quay.io`")
        return USAGE
    if ensure_no_dryrun(arguments, ["logout", registry]):
        return 0
    invocation = invoke(arguments)
    file = _log_out(registry, arguments.authfile, invocation)
    if not invocation.quiet:
        print_error(f"Logged out of {registry} ({file})")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama logout`."""
    result = parser("logout", VERBS["logout"].summary, epilog=_EPILOG)
    result.add_argument(
        "registry", metavar="REGISTRY", nargs="?", help="as in `ramalama login`, or huggingface"
    )
    add_option(result, OPTIONS["authfile"])
    result.add_argument("--token", help=argparse.SUPPRESS)  # accepted for old scripts
    return result


def _log_out(registry: str, authfile: Path | None, invocation: Invocation) -> Path:
    if names_huggingface(registry):
        return remove_token(invocation.user)
    return logout(RegistryName.parse(registry), invocation.user, authfile=authfile)
