"""The command that lists tools: /tools."""

from ramalama_chat.errors import InputRefused
from ramalama_chat.repl.commands.outcome import Then
from ramalama_chat.repl.state import Desk

_LONGEST_SUMMARY = 60


def list_tools(desk: Desk, _words: str) -> Then:
    """List what the model may call."""
    if not desk.tools:
        msg = "there are no tools: --mcp names a server that has some"
        raise InputRefused(msg)
    for tool in desk.tools:
        summary = next(iter(tool.description.strip().splitlines()), "")[:_LONGEST_SUMMARY]
        desk.tell(f"{tool.name:24} {summary} ({tool.server})")
    return Then.GO_ON
