"""The specification of one option; `ramalama.config.option_table` has the table of all."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from ramalama.value_types import Word
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.value_types import ValueType


class Group(StrEnum):
    """The group of an option; the value is the heading in ``--help``."""

    GLOBAL = "global options"
    MODEL = "model options"
    CONTAINER = "container options"
    IMAGE = "image options"
    SERVING = "serving options"
    API = "API options"
    RAG = "document options"
    CHAT = "chat options"
    RETRIEVAL = "retrieval options"
    REGISTRY = "options"


@frozen()
class OptionSpec:
    """One option: of the command line, of the library, in ramalama.conf, or all of them.

    Attributes:
        field: its name in `ServeOptions`; if it is not there, the key.
        type: the type of its value.
        given: its type in `ServeOptions`, if that is not the one of the setting; None means *type*.
        help: what it does, for ``--help`` and ramalama.conf(5), without the default.
        default: the value if neither the command line nor a setting has one; None lets the program
            choose, or means no value.
        default_text: the default in words, if *default* must not be shown as it is.
        groups: its groups on the command line; empty if it is only a setting.
        flags: its names on the command line; empty if only the library and the settings have it.
        metavar: the name of the value in ``--help``; "" derives it from the type or the name.
        is_switch: whether it has no value on the command line, and means yes.
        each: for an option that may be repeated: reads one occurrence on the command line.
        key: its name in ramalama.conf; "" for none.
        variables: its environment variables; empty means RAMALAMA_ and the key in capitals.
        page_help: the text in ramalama.conf(5) instead of *help*, as Markdown.
        example: its value in ramalama.conf(5), as TOML.
        is_secret: whether messages must not show the value.
    """

    field: str
    type: ValueType
    help: str
    given: ValueType | None = None
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
        """The environment variables; messages name the first one."""
        return self.variables or ((f"RAMALAMA_{self.key.upper()}",) if self.key else ())

    @property
    def destination(self) -> str:
        """The attribute of the parsed value, which argparse derives from the first long flag."""
        long = next(flag for flag in self.flags if flag.startswith("--"))
        return long.removeprefix("--").replace("-", "_")

    @property
    def shown_default(self) -> str:
        """The default, in words; "" if there is none to show."""
        if self.default_text or self.default in (None, ()) or self.is_switch:
            return self.default_text
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)

    @property
    def help_with_default(self) -> str:
        """The help text with the default, for ``--help``."""
        return f"{self.help} (default: {self.shown_default})" if self.shown_default else self.help

    @property
    def shown_value(self) -> str | None:
        """The name of the value in ``--help``; None lets argparse choose."""
        if isinstance(self.type, Word) and not self.metavar:
            return "{" + ",".join(self.type.words) + "}"
        return self.metavar or None
