"""What every command knows: the user, the settings, and the options that all share."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ramalama.cli.arguments import add_group
from ramalama.cli.output.terminal import print_error
from ramalama.config.config import Config, config_files
from ramalama.config.option_spec import Group
from ramalama_engines import InvokingUser
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.api.client import Ramalama
    from ramalama.models.library import Models
    from ramalama_engines import EngineKind

_USAGE = 2
_COLUMNS = 80


class GlobalArguments(argparse.Namespace):
    """The options that every command takes."""

    debug: bool
    quiet: bool
    dryrun: bool
    engine: EngineKind | None
    store: str | None


@frozen()
class Invocation:
    """One call of the command line."""

    config: Config
    user: InvokingUser
    quiet: bool

    def ramalama(self) -> Ramalama:
        """Make the library's handle; it asks nothing of the engine yet."""
        from ramalama.api.client import (  # noqa: PLC0415 (who only has models needs no engine)
            Ramalama,
        )

        return Ramalama(self.config, user=self.user)

    def models(self) -> Models:
        """Make the library's handle of the models; it reads nothing yet."""
        from ramalama.models.library import Models  # noqa: PLC0415 (see above)

        return Models(self.config, self.user)


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line; the whole usage is for `--help`."""

    def error(self, message: str) -> NoReturn:
        print_error(f"Error: {message}; see `{self.prog} --help`")
        raise SystemExit(_USAGE)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal."""

    def __init__(self, prog: str) -> None:
        # By itself, argparse asks shutil: an import of 2 ms for whoever adds an option.
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    """Return the width of the terminal, 80 where there is none; as `shutil` does."""
    with suppress(ValueError, KeyError):
        if (columns := int(os.environ["COLUMNS"])) > 0:
            return columns
    with suppress(OSError, ValueError, AttributeError):  # not a terminal, or closed
        return os.get_terminal_size(sys.stdout.fileno()).columns or _COLUMNS
    return _COLUMNS


def parser(verb: str, summary: str, *, epilog: str = "") -> argparse.ArgumentParser:
    """Make a command's parser, with the global options in it."""
    result = _Parser(
        prog=f"ramalama {verb}",
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    group = result.add_argument_group("global options")
    loudness = group.add_mutually_exclusive_group()
    loudness.add_argument("--debug", action="store_true", help="log to stderr what is done")
    loudness.add_argument(
        "-q", "--quiet", action="store_true", help="print only answers and errors"
    )
    group.add_argument(
        *("--dryrun", "--dry-run"),
        action="store_true",
        help="print the equivalent engine command, and do nothing",
    )
    add_group(group, Group.GLOBAL)
    return result


def invoke(arguments: GlobalArguments) -> Invocation:
    """Load the settings, with the global options over them.

    Raises:
        ConfigError: a file or a variable makes no sense.
    """
    user = InvokingUser(env=os.environ, home=_home(), uid=os.getuid())
    config = Config.load(user.env, config_files(user.env, user.home))
    if arguments.engine is not None:
        sources = {**config.sources, "engine": "--engine"}
        config = replace(config, engine=arguments.engine, sources=sources)
    if arguments.store is not None:
        sources = {**config.sources, "store": "--store"}
        config = replace(config, store=arguments.store, sources=sources)
    if not arguments.quiet:
        for warning in config.warnings:
            print_error(f"Warning: {warning}")
    return Invocation(config=config, user=user, quiet=arguments.quiet)


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a user ID that the system has no entry for
        return Path("/")


def ensure_no_dryrun(arguments: GlobalArguments, words: Sequence[str]) -> bool:
    """Say what a dry run of a command without a plan would do: nothing."""
    if arguments.dryrun:
        print_error(f"would do: ramalama {' '.join(words)}")
    return arguments.dryrun
