"""`ramalama completion`: print the script that makes a shell complete the commands."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS
from ramalama.cli.invocation import GlobalArguments, ensure_no_dryrun, parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_EPILOG = """\
for this shell alone:
  source <(ramalama completion bash)            the same for zsh
  ramalama completion fish | source

for every one:
  ramalama completion bash >~/.local/share/bash-completion/completions/ramalama
  ramalama completion zsh >"${fpath[1]}/_ramalama"
  ramalama completion fish >~/.config/fish/completions/ramalama.fish
"""


class CompletionArguments(GlobalArguments):
    """The parsed arguments of `ramalama completion`."""

    shell: str


def execute(words: Sequence[str]) -> int:
    """Print the completion script of the shell in *words*, and return the exit code."""
    arguments = make_parser().parse_args(words, CompletionArguments())
    if ensure_no_dryrun(arguments, ["completion", arguments.shell]):
        return 0
    from argcomplete.shell_integration import shellcode  # noqa: PLC0415 (not for help)

    sys.stdout.write(shellcode(["ramalama"], shell=arguments.shell).lstrip("\n"))
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama completion`."""
    result = parser("completion", VERBS["completion"].summary, epilog=_EPILOG)
    result.add_argument(
        "shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish"
    )
    return result
