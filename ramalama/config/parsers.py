"""From what a file, a variable or an option says to a setting's own type.

A reader takes a text, or what TOML has made of one; the message of its ValueError says what the
value should have been, as the end of the sentence "… is not …".
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from ramalama.models.reference.reference import Scheme, parse_transport
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines.kinds import EngineKind, PullPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ramalama_chat.tools.server_address import ToolServerAddress

W = TypeVar("W", bound=StrEnum)

_TRUE = frozenset({"1", "true", "on", "yes", "y"})
_FALSE = frozenset({"0", "false", "off", "no", "n"})


def parse_bool(value: object) -> bool:
    """Read true, 1, on, yes, y and their opposites, as every boolean option takes them."""
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word not in _TRUE | _FALSE:
        msg = "true or false"
        raise ValueError(msg)
    return word in _TRUE


def parse_ngl(value: object) -> int:
    """Read a number of layers, ``auto`` or ``all``."""
    words = {"auto": -1, "all": 999}
    if str(value) in words:
        return words[str(value)]
    return _whole(at_least=-1)(value)


def parse_temp(value: object) -> float:
    """Read a temperature."""
    import math  # noqa: PLC0415 (keeps the common import light)

    try:
        temp = float(str(value))
    except ValueError:
        temp = -1.0
    if not (math.isfinite(temp) and temp >= 0):
        msg = "a temperature of 0 or more"
        raise ValueError(msg)
    return temp


def _whole(*, at_least: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        try:
            number = int(str(value))
        except ValueError:
            number = at_least - 1
        if number < at_least:
            msg = f"a whole number of {at_least} or more"
            raise ValueError(msg)
        return number

    return read


parse_ctx_size = _whole(at_least=0)
parse_threads = _whole(at_least=1)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        msg = "a text"
        raise ValueError(msg)
    return value


def one_of(words: type[W]) -> Callable[[object], W]:
    """Make a reader of a closed set of words."""

    def read(value: object) -> W:
        try:
            return words(str(value))
        except ValueError:
            msg = "one of " + ", ".join(words)
            raise ValueError(msg) from None

    return read


def _color(value: object) -> str:
    if value not in ("auto", "always", "never"):
        msg = "auto, always or never"
        raise ValueError(msg)
    return str(value)


def parse_env(value: object) -> str:
    """Read a variable for the container, ``NAME=VALUE`` or ``NAME``."""
    text = _text(value)
    if text.startswith("="):
        msg = "NAME or NAME=VALUE"
        raise ValueError(msg)
    return text


def _environment(value: object) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list):
        msg = "a list of texts"
        raise ValueError(msg)  # noqa: TRY004 (a reader's one error)
    return tuple(parse_env(item) for item in items)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] (tomllib's list is untyped)


def _object(value: object) -> Mapping[object, object] | None:
    """Return a table, which a variable has as JSON; None for what is none."""
    if isinstance(value, str):
        import json  # noqa: PLC0415 (few name tables in a variable)

        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType] (tomllib's dict is untyped)


def _table(value: object) -> Mapping[str, str]:
    table = _object(value)
    if table is None:
        msg = "a table of texts"
        raise ValueError(msg)
    return {_text(key): _text(item) for key, item in table.items()}


def _tool_servers(value: object) -> Mapping[str, ToolServerAddress]:
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


def _transport(value: object) -> Scheme:
    return parse_transport(str(value))


READERS: Mapping[str, Callable[[object], object]] = {
    "engine": one_of(EngineKind),
    "image": _text,
    "images": _table,
    "runtime": one_of(RuntimeName),
    "pull": one_of(PullPolicy),
    "network": _text,
    "oci_runtime": _text,
    "selinux": parse_bool,
    "keep_groups": parse_bool,
    "tls_verify": parse_bool,
    "env": _environment,
    "ctx_size": parse_ctx_size,
    "temp": parse_temp,
    "threads": parse_threads,
    "ngl": parse_ngl,
    "store": _text,
    "model_draft": _text,
    "mcp": _tool_servers,
    "transport": _transport,
    "prefix": _text,
    "color": _color,
}
