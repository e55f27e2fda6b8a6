"""A tool as a model is told of it; what its server says of it is a stranger's word."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ramalama_chat.text import ControlFilter

_NAME = r"[A-Za-z0-9_.-]{1,64}"
_LONGEST_DESCRIPTION = 2048  # characters
_LARGEST_SCHEMA = 16 * 1024  # bytes of JSON


class ToolRefused(ValueError):
    """A server offers what cannot be handed to a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool of the server that users know as *server*.

    *name* is what the model calls it, *own_name* what its server does; *schema* is the JSON schema
    of its arguments, an object.
    """

    server: str
    name: str
    own_name: str
    description: str
    schema: Mapping[str, object]

    def for_request(self) -> dict[str, object]:
        """Return the member of "tools" in a request of the chat API."""
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": self.schema,
        }
        return {"type": "function", "function": function}


def read_tool(server: str, name: str, description: str, schema: Mapping[str, object]) -> Tool:
    """Make a tool of what *server* says of it.

    The chat API allows no dots in names, which MCP does; they become underscores.

    Raises:
        ToolRefused: its name or its schema is nothing that a model can be given.

    """
    if re.fullmatch(_NAME, name) is None:
        msg = f"{name[:64]!r} is no name of a tool"
        raise ToolRefused(msg)
    try:
        size = len(json.dumps(schema, ensure_ascii=False).encode())
    except (ValueError, TypeError, RecursionError) as exc:  # a lone surrogate, or a mile deep
        msg = f"the arguments of {name} are described by no JSON"
        raise ToolRefused(msg) from exc
    if size > _LARGEST_SCHEMA:
        msg = f"the arguments of {name} take {size} bytes to describe, and {_LARGEST_SCHEMA} may"
        raise ToolRefused(msg)
    return Tool(
        server=server,
        name=name.replace(".", "_"),
        own_name=name,
        description=ControlFilter().feed(description[:_LONGEST_DESCRIPTION]),
        schema=schema,
    )
