"""The command for the documents that are searched: /rag."""

from ramalama_chat.errors import InputRefused
from ramalama_chat.repl.commands.outcome import Then
from ramalama_chat.repl.commands.settings import on_off, read_switch
from ramalama_chat.repl.state import ChatState


def rag(state: ChatState, words: str) -> Then:
    """Show what was found for the last question, or switch the search on or off."""
    session = state.session
    if session.knowledge is None:
        msg = "there are no documents to search; use --rag to name some"
        raise InputRefused(msg)
    if words:
        session.looks_up = read_switch(words, session.looks_up)
        state.tell(f"Searching the documents is {on_off(session.looks_up)}.")
    elif session.finding is None:
        state.tell("Nothing was searched yet." if session.looks_up else "The search is off.")
    elif not session.finding.sources:
        state.tell("Nothing was found for the last question; it was sent as it is.")
    else:
        found = enumerate(session.finding.sources, start=1)
        texts = (f"[{number}] {each.label}\n{each.text}" for number, each in found)
        state.tell("\n\n".join(texts))
    return Then.GO_ON
