"""Use the `mcp` SDK, which the extra of that name installs; no other module imports it."""

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

_CONNECT_TIMEOUT = 30.0  # seconds
_START_TIMEOUT = 60.0  # seconds; `npx` and `uvx` download a server first
_CALL_TIMEOUT = 600.0  # seconds
_MOST_PAGES = 16  # of a list of tools


@asynccontextmanager
async def connect(address: ToolServerAddress, errors: TextIO) -> AsyncGenerator[Client]:
    """Start the server, or connect to it; its standard error goes to the file *errors*.

    A program gets only the environment variables that the SDK calls safe: HOME, PATH and the like.
    Redirects are followed only within the server's origin, so that no other server gets the
    headers.
    """
    # Without a handler, the SDK's log, which quotes servers, would go to the terminal unfiltered.
    logging.getLogger("mcp").addHandler(logging.NullHandler())
    if address.command:
        program, *words = address.command
        parameters = StdioServerParameters(command=program, args=words, env=dict(address.env))
        stdio = stdio_client(parameters, errors)
        async with Client(stdio, read_timeout_seconds=_START_TIMEOUT) as client:
            yield client
        return
    timeout = Timeout(_CALL_TIMEOUT, connect=_CONNECT_TIMEOUT)
    async with (
        AsyncClient(
            headers=address.headers,
            timeout=timeout,
            trust_env=not address.is_local,  # no proxy for this machine
            event_hooks={"response": [_raise_if_locked]},
        ) as http,
        Client(
            streamable_http_client(address.url, http_client=http),
            read_timeout_seconds=_START_TIMEOUT,
        ) as client,
    ):
        yield client


async def _raise_if_locked(response: Response) -> None:
    """Raise an error that says that a key is needed; the SDK only reports an error response."""
    if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        msg = f"it requires a key, or another key (HTTP {response.status_code})"
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
    """Call a tool, and return its result as text for a model."""
    answer = await client.call_tool(name, dict(arguments), read_timeout_seconds=_CALL_TIMEOUT)
    return result_text(answer)


def reason(failure: BaseException) -> str:
    """Return in one line why the SDK has failed; its task groups wrap the real error."""
    while isinstance(failure, BaseExceptionGroup):
        failure = cast("BaseExceptionGroup[BaseException]", failure).exceptions[0]
    if isinstance(failure, MCPError) and failure.code == mcp_types.CONNECTION_CLOSED:
        return "it has ended, or closed the connection"
    if isinstance(failure, OSError) and failure.strerror:
        return one_line(failure.strerror)
    return one_line(str(failure)) or type(failure).__name__
