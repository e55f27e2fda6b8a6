"""Parse the values of options that have their own syntax.

A parser takes a text, or a value that the TOML parser has made. The message of its ValueError
describes valid values, as the end of the sentence "… is not …".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.models.reference.scheme import Scheme, parse_transport
from ramalama.value_types import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ramalama_chat.tools.server_address import ToolServerAddress
    from ramalama_engines.spec import Device

_NO_DEVICE = "none"
_TEXT = Text()


def parse_variable(value: object) -> str:
    """Parse an environment variable for the container, ``NAME=VALUE`` or ``NAME``."""
    text = _TEXT.read(value)
    if text.startswith("="):
        msg = "NAME or NAME=VALUE"
        raise ValueError(msg)
    return text


def parse_variables(value: object) -> tuple[str, ...]:
    """Parse a list of environment variables for the container; a text separates them by commas."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list):
        msg = "a list of texts"
        raise ValueError(msg)  # noqa: TRY004 (the one error of all parsers)
    return tuple(parse_variable(item) for item in items)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] (tomllib's list is untyped)


def parse_table(value: object) -> Mapping[str, str]:
    """Parse a table of texts; an environment variable contains it as JSON."""
    table = _object(value)
    if table is None:
        msg = "a table of texts"
        raise ValueError(msg)
    return {_TEXT.read(key): _TEXT.read(item) for key, item in table.items()}


def parse_tool_servers(value: object) -> Mapping[str, ToolServerAddress]:
    """Parse a table of MCP servers; an environment variable contains it as JSON."""
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
    """Parse the transport of references without one."""
    return parse_transport(str(value))


def parse_engine_url(value: object) -> str:
    """Check the URL of a container engine; the message does not contain it."""
    from ramalama_engines.address import parse_url  # noqa: PLC0415 (few set it)

    text = _TEXT.read(value)
    try:
        parse_url(text)
    except ValueError as exc:
        msg = f"the address of an engine: {exc}"
        raise ValueError(msg) from None
    return text


def parse_device(value: object) -> Device | None:
    """Parse a device for the container; the text "none" gives None, for no device."""
    from ramalama_engines.spec import (  # noqa: PLC0415 (few name any)
        parse_device as parse_spec_device,
    )

    return None if value == _NO_DEVICE else parse_spec_device(str(value))


def parse_shell_words(value: object) -> list[str]:
    """Split a text into words as a shell does."""
    import shlex  # noqa: PLC0415 (rarely used)

    try:
        return shlex.split(str(value))
    except ValueError as exc:
        msg = f"something a shell could split ({str(exc).lower()})"
        raise ValueError(msg) from exc


def _object(value: object) -> Mapping[object, object] | None:
    """Return *value* as a table, parsed from JSON if it is a text; None if it is no table."""
    if isinstance(value, str):
        import json  # noqa: PLC0415 (rarely used)

        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType] (tomllib's dict is untyped)
