"""Secrets from the user: never echoed, and never taken for granted from the command line."""

from __future__ import annotations

import sys

from ramalama.cli.output.terminal import print_error
from ramalama.errors import OptionRefused

_LONGEST = 64 * 1024


def read_secret() -> str:
    """Read all of standard input, without the last line's end; for ``--password-stdin``.

    Raises:
        OptionRefused: there is nothing, too much, or no text.
    """
    content = sys.stdin.buffer.read(_LONGEST + 1)
    try:
        secret = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        secret = ""
    if not secret or len(content) > _LONGEST:
        msg = "standard input holds no password"
        raise OptionRefused(msg)
    return secret


def ask_name(prompt: str) -> str:
    """Ask for something that may be seen.

    Raises:
        OptionRefused: nobody is there to be asked.
    """
    _require_terminal()
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def ask_secret(prompt: str) -> str:
    """Ask for something that nobody may see.

    Raises:
        OptionRefused: nobody is there to be asked, or says nothing.
    """
    import getpass  # noqa: PLC0415 (scripts do without)

    _require_terminal()
    try:
        return getpass.getpass(prompt)
    except EOFError:
        return ""


def warn_of_argument(option: str, *, quiet: bool) -> None:
    """Say what a secret in the arguments of a process means."""
    if not quiet:
        print_error(
            f"Warning: everybody on this machine can read what follows {option} while this "
            "command runs; --password-stdin keeps it from them"
        )


def _require_terminal() -> None:
    if not sys.stdin.isatty():
        msg = "there is no terminal to ask at"
        raise OptionRefused(msg, hint="give --username and --password-stdin")
