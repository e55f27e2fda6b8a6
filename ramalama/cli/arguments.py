"""Options of the table as arguments of a parser."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TypeVar

from ramalama.config.option_table import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.config.option_spec import Group, OptionSpec

    # argparse gives what `add_argument_group` returns no public name.
    ArgumentGroup = argparse._ArgumentGroup  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

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
