"""Read a named tool server from the settings, and fill in its secrets.

    [github]
    url = "https://host/mcp"            or  command = "a command with its arguments"
    headers = { NAME = "text" }         or  env = { NAME = "text" }

In a text ``${VARIABLE}`` stands for an environment variable, so that secrets stay out of files.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from ramalama_chat.errors import InputRefused
from ramalama_chat.tools.server_address import ToolServerAddress, parse_tool_server
from ramalama_values.json import is_object

_NAME = r"[A-Za-z0-9_-]{1,64}"
_HEADER = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # RFC 9110, 5.6.2: token
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_REFERENCE = r"\$\{(" + _VARIABLE + r")\}"
_BELONGS = {"url": "headers", "command": "env"}


def read_named_server(name: str, settings: object) -> ToolServerAddress:
    """Read the *settings* of the server called *name*; no variable is looked up yet.

    Raises:
        ValueError: the settings are not valid; the message quotes no value.

    """
    if re.fullmatch(_NAME, name) is None:
        msg = f"{name[:64]!r} is not a valid name for a server"
        raise ValueError(msg)
    if not is_object(settings) or len(kinds := settings.keys() & _BELONGS) != 1:
        msg = f"{name} needs either a url or a command"
        raise ValueError(msg)
    (kind,) = kinds
    if unknown := settings.keys() - {kind, _BELONGS[kind]}:
        msg = f"{name} has a {kind}, which cannot be combined with {min(unknown)!r}"
        raise ValueError(msg)
    address = _read_place(name, kind, settings[kind])
    if kind == "url":
        headers = _read_texts(name, settings, "headers", _HEADER)
        if headers and address.is_in_clear:
            msg = f"{name} has headers that would be sent unencrypted to another machine: use https"
            raise ValueError(msg)
        return replace(address, headers=headers)
    return replace(address, env=_read_texts(name, settings, "env", _VARIABLE))


def with_secrets(address: ToolServerAddress, variables: Mapping[str, str]) -> ToolServerAddress:
    """Replace the variables that *address* names by their values.

    Raises:
        InputRefused: a variable is not set, or its value cannot be sent.

    """

    def filled(text: str) -> str:
        return re.sub(_REFERENCE, lambda match: look_up(match[1]), text)

    def look_up(name: str) -> str:
        if value := variables.get(name):
            return value
        msg = f"the tool server {address.label} needs the variable {name}, which is not set"
        raise InputRefused(msg)

    headers = {name: filled(text) for name, text in address.headers.items()}
    for name, text in headers.items():
        if not (text.isascii() and text.isprintable() and text == text.strip()):
            msg = (
                f"the header {name} of the tool server {address.label} cannot be sent:"
                " it is not a line of ASCII, or it begins or ends with a space"
            )
            raise InputRefused(msg)
    env = {name: filled(text) for name, text in address.env.items()}
    return replace(address, headers=headers, env=env)


def _read_place(name: str, kind: str, text: object) -> ToolServerAddress:
    try:
        address = parse_tool_server(text) if isinstance(text, str) else None
    except ValueError:
        address = None
    if address is None or bool(address.url) != (kind == "url"):
        msg = f"the {kind} of {name} is not valid"
        raise ValueError(msg)
    return replace(address, label=name)


def _read_texts(
    name: str, settings: Mapping[str, object], key: str, pattern: str
) -> Mapping[str, str]:
    table = settings.get(key, {})
    texts = {
        each: text
        for each, text in (table.items() if is_object(table) else ())
        if isinstance(text, str) and "\0" not in text and re.fullmatch(pattern, each)
    }
    if any("${" in re.sub(_REFERENCE, "", text) for text in texts.values()):
        msg = f"the {key} of {name} have a '${{' that does not begin a ${{VARIABLE}}"
        raise ValueError(msg)
    if texts != table:
        msg = f"the {key} of {name} are not a table of names and texts"
        raise ValueError(msg)
    return texts
