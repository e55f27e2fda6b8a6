"""The tool servers that the command line names."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ramalama.cli.output.terminal import complain
from ramalama_chat.errors import InputRefused
from ramalama_chat.session.tool_loop import ToolUse
from ramalama_chat.tools.approval import Approval
from ramalama_chat.tools.configured_server import with_secrets

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from ramalama.cli.invocation import Invocation
    from ramalama.cli.options.chat import ChatArguments
    from ramalama_chat.tools.server_address import ToolServerAddress


@contextmanager
def open_tools(arguments: ChatArguments, invocation: Invocation) -> Generator[ToolUse]:
    """Start what `--mcp` names, and end it with the block.

    Raises:
        InputRefused: a server does not start or lacks a secret, or the SDK is not installed.
    """
    try:
        from ramalama_chat.tools.toolbox import open_toolbox  # noqa: PLC0415 (may be missing)
    except ImportError as exc:
        msg = "--mcp needs the mcp package: pip install 'ramalama[mcp]'"
        raise InputRefused(msg) from exc
    always = arguments.mcp_approve == "always"
    approve = Approval(stdin=sys.stdin, stderr=sys.stderr, always=always)
    servers = tuple(_servers(arguments.mcp, invocation))
    with open_toolbox(servers, complain) as toolbox:
        yield ToolUse(toolbox=toolbox, approve=approve)


def _servers(
    named: Iterable[ToolServerAddress], invocation: Invocation
) -> Iterator[ToolServerAddress]:
    """Yield each server with its secrets; a command of one word may be a name of the settings'.

    Raises:
        InputRefused: it is neither that nor a program, or lacks a secret.
    """
    known = invocation.config.mcp
    for address in named:
        name = address.command[0] if len(address.command) == 1 else ""
        if name and name not in known and "/" not in name and shutil.which(name) is None:
            names = f": {', '.join(known)}" if known else ""
            msg = (
                f"--mcp {name!r} is neither a program nor a server that ramalama.conf names{names}"
            )
            raise InputRefused(msg)
        yield with_secrets(known.get(name, address), invocation.user.env)
