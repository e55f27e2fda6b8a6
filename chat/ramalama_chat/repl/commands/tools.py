"""The command that lists tools: /tools."""

from ramalama_chat.errors import InputRefused
from ramalama_chat.repl.commands.outcome import Then
from ramalama_chat.repl.state import ChatState

_LONGEST_SUMMARY = 60


def list_tools(state: ChatState, _words: str) -> Then:
    """List what the model may call."""
    if not state.tools:
        msg = "there are no tools; use --mcp to name a server that has some"
        raise InputRefused(msg)
    for tool in state.tools:
        summary = next(iter(tool.description.strip().splitlines()), "")[:_LONGEST_SUMMARY]
        state.tell(f"{tool.name:24} {summary} ({tool.server})")
    return Then.GO_ON
