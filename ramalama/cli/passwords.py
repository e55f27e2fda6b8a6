"""Read secrets from the terminal, without echo, or from standard input."""

from __future__ import annotations

import sys

from ramalama.cli.output.terminal import print_error
from ramalama.errors import OptionRefused

_LONGEST = 64 * 1024  # bytes


def read_secret() -> str:
    """Read a secret from standard input, without the last newline; for ``--password-stdin``.

    Raises:
        OptionRefused: standard input is empty, is longer than 64 KiB, or is not UTF-8.
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
    """Ask for a name at the terminal; the input is shown.

    Raises:
        OptionRefused: standard input is not a terminal.
    """
    _require_terminal()
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def ask_secret(prompt: str) -> str:
    """Ask for a secret at the terminal without echo; an end of file gives an empty text.

    Raises:
        OptionRefused: standard input is not a terminal.
    """
    import getpass  # noqa: PLC0415 (not for scripts)

    _require_terminal()
    try:
        return getpass.getpass(prompt)
    except EOFError:
        return ""


def warn_of_argument(option: str, *, quiet: bool) -> None:
    """Warn that other users can read a secret that is an argument of a process."""
    if not quiet:
        print_error(
            f"Warning: all users of this machine can read the value of {option} while this "
            "command runs; use --password-stdin instead"
        )


def _require_terminal() -> None:
    if not sys.stdin.isatty():
        msg = "there is no terminal to ask at"
        raise OptionRefused(msg, hint="give --username and --password-stdin")
