"""A tool as it is described to a model; the server's description of it is not trusted."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ramalama_chat.text import ControlFilter

_NAME = r"[A-Za-z0-9_.-]{1,64}"
_LONGEST_DESCRIPTION = 2048  # characters
_LARGEST_SCHEMA = 16 * 1024  # bytes of JSON


class ToolRefused(ValueError):
    """A server offers a tool that a model cannot be given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool of the server that users know as *server*.

    *name* is the model's name for it, *own_name* the server's. *schema* is the JSON schema of its
    arguments, an object.
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
    """Make a tool from the description of *server*.

    MCP allows dots in names, the chat API does not; they become underscores.

    Raises:
        ToolRefused: its name or its schema cannot be given to a model.

    """
    if re.fullmatch(_NAME, name) is None:
        msg = f"{name[:64]!r} is not a valid name of a tool"
        raise ToolRefused(msg)
    try:
        size = len(json.dumps(schema, ensure_ascii=False).encode())
    except (ValueError, TypeError, RecursionError) as exc:  # a lone surrogate, or nested too deeply
        msg = f"the schema of the arguments of {name} is not JSON"
        raise ToolRefused(msg) from exc
    if size > _LARGEST_SCHEMA:
        msg = f"the schema of the arguments of {name} has more than {_LARGEST_SCHEMA} bytes"
        raise ToolRefused(msg)
    return Tool(
        server=server,
        name=name.replace(".", "_"),
        own_name=name,
        description=ControlFilter().feed(description[:_LONGEST_DESCRIPTION]),
        schema=schema,
    )
