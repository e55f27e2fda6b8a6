"""The `mcp` SDK, which comes with the extra of that name, and which nothing else here knows."""

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TextIO, cast

from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp import types as mcp_types

from ramalama_chat.errors import one_line
from ramalama_chat.tools.address import ToolServerAddress
from ramalama_chat.tools.result import result_text

_PATIENCE_TO_START = 60.0  # seconds; `npx` and `uvx` fetch a server first
_PATIENCE = 600.0  # seconds for what a tool has to say
_MOST_PAGES = 16  # of a list of tools


@asynccontextmanager
async def connect(address: ToolServerAddress, errors: TextIO) -> AsyncGenerator[Client]:
    """Start the server, or connect to it; its standard error goes to the file *errors*.

    Of our environment a program gets what the SDK calls safe: HOME, PATH and the like.
    """
    # What it logs, a server's words among it, would go to the terminal as it is.
    logging.getLogger("mcp").addHandler(logging.NullHandler())
    if address.command:
        program, *words = address.command
        stdio = stdio_client(StdioServerParameters(command=program, args=words), errors)
        client = Client(stdio, read_timeout_seconds=_PATIENCE_TO_START)
    else:
        client = Client(address.url, read_timeout_seconds=_PATIENCE_TO_START)
    async with client:
        yield client


async def list_tools(client: Client) -> Sequence[mcp_types.Tool]:
    """Return the tools of the server, as it describes them."""
    tools: list[mcp_types.Tool] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        if (cursor := page.next_cursor) is None:
            break
    return tools


async def call_tool(client: Client, name: str, arguments: Mapping[str, object]) -> str:
    """Call a tool, and return what a model may be told of its answer."""
    answer = await client.call_tool(name, dict(arguments), read_timeout_seconds=_PATIENCE)
    return result_text(answer)


def reason(failure: BaseException) -> str:
    """Say in a line why the SDK has failed; its task groups wrap what they come upon."""
    while isinstance(failure, BaseExceptionGroup):
        failure = cast("BaseExceptionGroup[BaseException]", failure).exceptions[0]
    if isinstance(failure, MCPError) and failure.code == mcp_types.CONNECTION_CLOSED:
        return "it has ended, or hung up"
    if isinstance(failure, OSError) and failure.strerror:
        return one_line(failure.strerror)
    return one_line(str(failure)) or type(failure).__name__
