"""The `mcp` SDK, which comes with the extra of that name, and which nothing else here knows."""

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TextIO, cast

from httpx2 import AsyncClient, Response, Timeout
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp import types as mcp_types
from mcp.client.streamable_http import streamable_http_client

from ramalama_chat.tools.result import result_text
from ramalama_chat.tools.server_address import ToolServerAddress
from ramalama_values.text import one_line

_PATIENCE_TO_CONNECT = 30.0  # seconds
_PATIENCE_TO_START = 60.0  # seconds; `npx` and `uvx` fetch a server first
_PATIENCE = 600.0  # seconds for what a tool has to say
_MOST_PAGES = 16  # of a list of tools


@asynccontextmanager
async def connect(address: ToolServerAddress, errors: TextIO) -> AsyncGenerator[Client]:
    """Start the server, or connect to it; its standard error goes to the file *errors*.

    Of our environment a program gets what the SDK calls safe: HOME, PATH and the like. Redirects
    are followed within the server's origin alone, so that no other sees the headers.
    """
    # What it logs, a server's words among it, would go to the terminal as it is.
    logging.getLogger("mcp").addHandler(logging.NullHandler())
    if address.command:
        program, *words = address.command
        parameters = StdioServerParameters(command=program, args=words, env=dict(address.env))
        stdio = stdio_client(parameters, errors)
        async with Client(stdio, read_timeout_seconds=_PATIENCE_TO_START) as client:
            yield client
        return
    timeout = Timeout(_PATIENCE, connect=_PATIENCE_TO_CONNECT)
    async with (
        AsyncClient(
            headers=address.headers,
            timeout=timeout,
            trust_env=not address.is_local,  # no proxy reads what stays on this machine
            event_hooks={"response": [_raise_if_locked]},
        ) as http,
        Client(
            streamable_http_client(address.url, http_client=http),
            read_timeout_seconds=_PATIENCE_TO_START,
        ) as client,
    ):
        yield client


async def _raise_if_locked(response: Response) -> None:
    """Say what the SDK would call an error response."""
    if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        msg = f"it wants a key, or another one (HTTP {response.status_code})"
        raise PermissionError(msg)


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
