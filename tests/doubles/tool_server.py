"""A real MCP server, made with the SDK: `tool_server.py stdio|http|http-with-key [FILE]`.

Its process id, or its URL, is written to FILE, and FILE.called is made when its tool "sleep" is
called. A server "http-with-key" wants the header ``Authorization: Bearer`` with the key `KEY`, and
refuses requests without it with 401.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from mcp.server import MCPServer
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

KEY = "open-sesame"

server = MCPServer("doubles")


@server.tool()
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@server.tool(name="say.rude")
def rude() -> str:
    """Say what clears a screen."""
    return "rude\x1b[2J\x9b2J words"


@server.tool(name="no name\x1b[2J")
def unnameable() -> str:
    """Never be offered."""
    return ""


@server.tool()
def secret() -> str:
    """Tell what is in SECRET."""
    return os.environ.get("SECRET", "(unset)")


@server.tool()
def flood(characters: int) -> str:
    """Say much."""
    return "x" * characters


@server.tool()
def fail() -> str:
    """Fail."""
    msg = "failed on purpose"
    raise ValueError(msg)


def note_call() -> None:
    Path(f"{sys.argv[-1]}.called").touch()


@server.tool()
async def sleep() -> str:
    """Take long."""
    note_call()
    await asyncio.sleep(3600)  # in a thread it would go on after the client has gone
    return ""


@server.tool()
def end() -> str:
    """End the server."""
    sys.stderr.write("the disk\x1b[2J is full\n")
    sys.stderr.flush()
    os._exit(3)


def asking_for_key(app: ASGIApp) -> ASGIApp:
    """Let no request through to *app* that has not the key."""

    async def run_guarded(scope: Scope, receive: Receive, send: Send) -> None:
        wanted = (b"authorization", f"Bearer {KEY}".encode())
        if scope["type"] == "http" and wanted not in scope["headers"]:
            app_or_refusal: ASGIApp = PlainTextResponse("no key", status_code=401)
        else:
            app_or_refusal = app
        await app_or_refusal(scope, receive, send)

    return run_guarded


def main(transport: str, file: str = os.devnull) -> None:
    """Serve until nobody listens any more, or until a signal."""
    if transport == "stdio":
        Path(file).write_text(str(os.getpid()), encoding="utf-8")
        server.run("stdio")
        return
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    Path(file).write_text(f"http://127.0.0.1:{port}/mcp", encoding="utf-8")
    app: ASGIApp = server.streamable_http_app()
    if transport == "http-with-key":
        app = asking_for_key(app)
    uvicorn.run(app, host="127.0.0.1", port=port)


if __name__ == "__main__":
    main(*sys.argv[1:])
