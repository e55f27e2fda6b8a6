"""What is to be known of one option; the rows are in `ramalama.config.option_table`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from ramalama.config.value_types import Word
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.config.value_types import ValueType


class Group(StrEnum):
    """Where an option belongs; the value is its heading in ``--help``."""

    GLOBAL = "global options"
    MODEL = "model options"
    CONTAINER = "container options"
    IMAGE = "image options"
    SERVING = "serving options"
    CHAT = "chat options"
    REGISTRY = "options"


@frozen()
class OptionSpec:
    """One option: of the command line, of the library, in ramalama.conf, or all of them.

    Attributes:
        field: its name in `ServeOptions`, where that has it; else the key.
        type: what its value can be.
        help: what it does, for ``--help`` and ramalama.conf(5), without the default.
        default: where neither the command line nor a setting says another; None lets the program
            choose, or is no value.
        default_text: the default in words, where it is not to be shown as it is.
        groups: the headings of the command line that it stands under; none for a mere setting.
        flags: its names on the command line; none for what only the library and settings have.
        metavar: what ``--help`` calls the value; "" is made of the type, or of the name.
        is_switch: whether it stands on the command line without a value, for yes.
        each: reads one occurrence on the command line, of an option that may be repeated.
        key: its name in ramalama.conf; "" for none.
        variables: its environment variables, where they are not RAMALAMA_ and the key in capitals.
        page_help: what ramalama.conf(5) says instead of the help, as Markdown.
        example: its value in ramalama.conf(5), as TOML.
        is_secret: whether messages must not show the value.
    """

    field: str
    type: ValueType
    help: str
    default: object = None
    default_text: str = ""
    groups: tuple[Group, ...] = ()
    flags: tuple[str, ...] = ()
    metavar: str = ""
    is_switch: bool = False
    each: Callable[[object], object] | None = None
    key: str = ""
    variables: tuple[str, ...] = ()
    page_help: str = ""
    example: str = ""
    is_secret: bool = False

    @property
    def environment(self) -> tuple[str, ...]:
        """The environment variables, the first of which messages name."""
        return self.variables or ((f"RAMALAMA_{self.key.upper()}",) if self.key else ())

    @property
    def destination(self) -> str:
        """The name of the parsed value: that of the first long flag, as argparse makes it."""
        long = next(flag for flag in self.flags if flag.startswith("--"))
        return long.removeprefix("--").replace("-", "_")

    @property
    def shown_default(self) -> str:
        """The default, in words; "" where there is none to speak of."""
        if self.default_text or self.default in (None, ()) or self.is_switch:
            return self.default_text
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)

    @property
    def help_with_default(self) -> str:
        """The line of ``--help``."""
        return f"{self.help} (default: {self.shown_default})" if self.shown_default else self.help

    @property
    def shown_value(self) -> str | None:
        """What ``--help`` calls the value; None leaves that to argparse."""
        if isinstance(self.type, Word) and not self.metavar:
            return "{" + ",".join(self.type.words) + "}"
        return self.metavar or None
