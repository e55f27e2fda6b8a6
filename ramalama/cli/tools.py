"""The tool servers that the command line names."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ramalama.cli.output import complain
from ramalama_chat.errors import InputRefused
from ramalama_chat.tools.approval import Approval
from ramalama_chat.tools.rounds import ToolUse

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama.cli.chat_options import ChatArguments


@contextmanager
def open_tools(arguments: ChatArguments) -> Generator[ToolUse]:
    """Start what `--mcp` names, and end it with the block.

    Raises:
        InputRefused: a server does not start, or the SDK is not installed.
    """
    try:
        from ramalama_chat.tools.toolbox import open_toolbox  # noqa: PLC0415 (may be missing)
    except ImportError as exc:
        msg = "--mcp needs the mcp package: pip install 'ramalama[mcp]'"
        raise InputRefused(msg) from exc
    always = arguments.mcp_approve == "always"
    approve = Approval(stdin=sys.stdin, stderr=sys.stderr, always=always)
    with open_toolbox(arguments.mcp, complain) as toolbox:
        yield ToolUse(toolbox=toolbox, approve=approve)
