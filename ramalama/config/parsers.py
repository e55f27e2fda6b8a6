"""Readers of values that have a grammar of their own.

A reader takes a text, or what TOML has made of one; the message of its ValueError says what the
value should have been, as the end of the sentence "… is not …".
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.config.value_types import Text
from ramalama.models.reference.reference import Scheme, parse_transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ramalama_chat.tools.server_address import ToolServerAddress
    from ramalama_engines.spec import Device

_NO_DEVICE = "none"
_TEXT = Text()


def parse_variable(value: object) -> str:
    """Read a variable for the container, ``NAME=VALUE`` or ``NAME``."""
    text = _TEXT.read(value)
    if text.startswith("="):
        msg = "NAME or NAME=VALUE"
        raise ValueError(msg)
    return text


def parse_variables(value: object) -> tuple[str, ...]:
    """Read a list of variables for the container; in a text they are separated by commas."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list):
        msg = "a list of texts"
        raise ValueError(msg)  # noqa: TRY004 (a reader's one error)
    return tuple(parse_variable(item) for item in items)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] (tomllib's list is untyped)


def parse_table(value: object) -> Mapping[str, str]:
    """Read a table of texts, which a variable has as JSON."""
    table = _object(value)
    if table is None:
        msg = "a table of texts"
        raise ValueError(msg)
    return {_TEXT.read(key): _TEXT.read(item) for key, item in table.items()}


def parse_tool_servers(value: object) -> Mapping[str, ToolServerAddress]:
    """Read a table of MCP servers, which a variable has as JSON."""
    from ramalama_chat.tools.configured_server import (  # noqa: PLC0415 (few have any)
        read_named_server,
    )

    table = _object(value)
    if table is None:
        msg = "a table of MCP servers"
        raise ValueError(msg)
    try:
        return {str(name): read_named_server(str(name), each) for name, each in table.items()}
    except ValueError as exc:
        msg = f"a table of MCP servers: {exc}"
        raise ValueError(msg) from exc


def parse_scheme(value: object) -> Scheme:
    """Read the transport of references that name none."""
    return parse_transport(str(value))


def parse_path(value: object) -> Path:
    """Read the path of a file."""
    return Path(str(value))


def parse_device(value: object) -> Device | None:
    """Read a device for the container; None is the word for none at all."""
    from ramalama_engines.spec import (  # noqa: PLC0415 (few name any)
        parse_device as parse_spec_device,
    )

    return None if value == _NO_DEVICE else parse_spec_device(str(value))


def parse_shell_words(value: object) -> list[str]:
    """Split a text into words as a shell does."""
    import shlex  # noqa: PLC0415 (few pass any)

    try:
        return shlex.split(str(value))
    except ValueError as exc:
        msg = f"something a shell could split ({str(exc).lower()})"
        raise ValueError(msg) from exc


def _object(value: object) -> Mapping[object, object] | None:
    """Return a table, which a variable has as JSON; None for what is none."""
    if isinstance(value, str):
        import json  # noqa: PLC0415 (few name tables in a variable)

        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType] (tomllib's dict is untyped)
