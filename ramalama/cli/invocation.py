"""What all commands share: the parser with the global options, and the user and the settings.

Options of the table become arguments of a parser here.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from ramalama.cli.output.terminal import print_error
from ramalama.config.option_spec import Group
from ramalama.config.option_table import OPTIONS
from ramalama.errors import OptionRefused
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _typeshed import SupportsWrite

    from ramalama.api.client import Ramalama
    from ramalama.config.config import Config
    from ramalama.config.option_spec import OptionSpec
    from ramalama.models.library import Models
    from ramalama.models.reference.reference import ModelRef
    from ramalama_engines import EngineKind
    from ramalama_engines.user import InvokingUser

    # argparse gives what `add_argument_group` returns no public name.
    ArgumentGroup = argparse._ArgumentGroup  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


_USAGE = 2
_COLUMNS = 80


class GlobalArguments(argparse.Namespace):
    """The options that every command accepts."""

    debug: bool
    quiet: bool
    dryrun: bool
    engine: EngineKind | None
    engine_url: str | None
    connection: str | None
    store: str | None


@frozen()
class Invocation:
    """One call of the command line: the settings, with the global options applied, and the user."""

    config: Config
    user: InvokingUser
    quiet: bool

    def ramalama(self) -> Ramalama:
        """Create the library's main object; it does not connect to the engine yet."""
        from ramalama.api.client import (  # noqa: PLC0415 (not for commands that only use models)
            Ramalama,
        )

        return Ramalama(self.config, user=self.user)

    def models(self) -> Models:
        """Create the library's access to the models; it reads no file yet."""
        from ramalama.models.library import Models  # noqa: PLC0415 (see above)

        return Models(self.config, self.user)

    def resolve(self, models: Models, text: str) -> ModelRef:
        """Parse a model as the user typed it; say what is ignored in the files of short names.

        Raises:
            InvalidReference: *text* is not valid.
        """
        from ramalama.events import ignore  # noqa: PLC0415 (not for the help)

        return models.resolve(text, on_event=ignore if self.quiet else _warn)


def _warn(event: object) -> None:

    from ramalama.events import Notice  # noqa: PLC0415 (see above)

    if isinstance(event, Notice):
        print_error(f"Warning: {event.message}")


class _Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line; only `--help` shows the usage."""

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the help; argparse's own method hides that it could not be written."""
        (file or sys.stdout).write(self.format_help())

    def error(self, message: str) -> NoReturn:
        print_error(f"Error: {message}; see `{self.prog} --help`")
        raise SystemExit(_USAGE)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """A formatter that makes the help as wide as the terminal."""

    def __init__(self, prog: str) -> None:
        # Without a width, argparse imports shutil, which takes 2 ms for each command.
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    """Return the width of the terminal in characters, or 80 without one; as `shutil` does."""
    with suppress(ValueError, KeyError):
        if (columns := int(os.environ["COLUMNS"])) > 0:
            return columns
    with suppress(OSError, ValueError, AttributeError):  # not a terminal, or closed
        return os.get_terminal_size(sys.stdout.fileno()).columns or _COLUMNS
    return _COLUMNS


def parser(verb: str, summary: str, *, epilog: str = "") -> argparse.ArgumentParser:
    """Make a command's parser with the global options."""
    result = _Parser(
        prog=f"ramalama {verb}",
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    group = result.add_argument_group("global options")
    verbosity = group.add_mutually_exclusive_group()
    verbosity.add_argument("--debug", action="store_true", help="log to stderr what is done")
    verbosity.add_argument(
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
    """Load the settings and apply the global options.

    Raises:
        ConfigError: a configuration file or an environment variable is invalid.
        OptionRefused: two options contradict each other.
    """
    from ramalama.config.config import Config, config_files  # noqa: PLC0415 (not for the help)
    from ramalama_engines.user import InvokingUser  # noqa: PLC0415 (see above)

    user = InvokingUser(env=os.environ, home=_home(), uid=os.getuid())
    config = Config.load(user.env, config_files(user.env, user.home))
    config = _with_options(config, arguments)
    if not arguments.quiet:
        for warning in config.warnings:
            print_error(f"Warning: {warning}")
    return Invocation(config=config, user=user, quiet=arguments.quiet)


def _with_options(config: Config, arguments: GlobalArguments) -> Config:
    """Return *config* with what the command line says instead.

    Raises:
        OptionRefused: two options contradict each other.
    """
    if arguments.engine_url is not None and arguments.connection is not None:
        msg = "--engine-url and --connection both say where the engine is"
        raise OptionRefused(msg, hint="use one of them")
    given: dict[str, object] = {
        "engine": arguments.engine,
        "engine_url": arguments.engine_url,
        "connection": arguments.connection,
        "store": None if arguments.store is None else _absolute(arguments.store),
    }
    from ramalama.config.config import with_changes  # noqa: PLC0415 (not for the help)

    changes = {key: value for key, value in given.items() if value is not None}
    return with_changes(config, changes, {key: OPTIONS[key].flags[-1] for key in changes})


def _absolute(store: str) -> str:
    """Return the argument of --store, which alone may be relative to the current directory."""
    return store if store.startswith(("~", "$")) else str(Path(store).absolute())


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # the user ID has no entry in the user database
        return Path("/")


def ensure_no_dryrun(arguments: GlobalArguments, words: Sequence[str]) -> bool:
    """Return whether this is a dry run, and print the command that it does not run.

    For commands that have no engine command line to show.
    """
    if arguments.dryrun:
        print_error(f"would do: ramalama {' '.join(words)}")
    return arguments.dryrun


T = TypeVar("T")


def add_group(target: argparse.ArgumentParser | ArgumentGroup, group: Group) -> None:
    """Add all options of a group, in the order of the table."""
    for spec in OPTIONS.values():
        if group in spec.groups and spec.flags:
            add_option(target, spec)


def add_option(
    target: argparse.ArgumentParser | ArgumentGroup, spec: OptionSpec, *, words: str = ""
) -> None:
    """Add one option; *words* is the help of a command where the option means something else.

    What was not given is None, so that a setting can decide; [] where it may be repeated.
    """
    words = (words or spec.help_with_default).replace("%", "%%")
    if spec.is_switch:
        target.add_argument(*spec.flags, action="store_const", const=True, help=words)
    elif spec.each is not None:
        target.add_argument(
            *spec.flags,
            type=typed(spec.each),
            action="append",
            default=[],
            metavar=spec.shown_value,
            help=words,
        )
    else:
        read = typed(spec.type.read, is_secret=spec.is_secret)
        target.add_argument(*spec.flags, type=read, metavar=spec.shown_value, help=words)


def typed(read: Callable[[str], T], *, is_secret: bool = False) -> Callable[[str], T]:
    """Make a reader's ValueError argparse's own, so that its words reach the user.

    A reader that names the text makes a whole sentence; others only say what they expected. With
    *is_secret*, the message does not show the text.
    """

    def convert(text: str) -> T:
        try:
            return read(text)
        except ValueError as exc:
            words = str(exc)
            shown = "this" if is_secret else repr(text)
            msg = words if repr(text) in words else f"{shown} is not {words}"
            raise argparse.ArgumentTypeError(msg) from (None if is_secret else exc)

    return convert
