"""Commands that change what was said: /clear, /system, /undo, /regenerate, /save, /load."""

from ramalama_chat.input.attachments import Attachments
from ramalama_chat.repl.commands.outcome import Then
from ramalama_chat.repl.state import ChatState
from ramalama_chat.session.transcript import Transcript, load_talk, save_talk


def clear(state: ChatState, _words: str) -> Then:
    """Forget what was said, and what is attached."""
    state.talk.conversation.clear()
    state.attachments, state.unanswered = Attachments(), None
    state.tell("The conversation starts anew.")
    return Then.GO_ON


def system(state: ChatState, words: str) -> Then:
    """Show the system prompt, or set another; a pair of quotes stands for none."""
    if words in ('""', "''"):
        state.talk.conversation.system = None
        state.tell("There is no system prompt any more.")
    elif words:
        state.talk.conversation.system = words
        state.tell("The system prompt is set; what was said stays.")
    else:
        state.tell(state.talk.conversation.system or "There is no system prompt.")
    return Then.GO_ON


def undo(state: ChatState, _words: str) -> Then:
    """Forget the last exchange."""
    exchange = state.talk.conversation.undo()
    if exchange is None:
        state.tell("Nothing was said yet.")
    else:
        state.tell(f"Forgotten: {_brief(exchange.prompt)}")
    return Then.GO_ON


def regenerate(state: ChatState, _words: str) -> Then:
    """Have the last question asked again."""
    if state.unanswered is None and not state.talk.conversation.exchanges:
        state.tell("Nothing was asked yet.")
        return Then.GO_ON
    return Then.ASK_AGAIN


def save(state: ChatState, words: str) -> Then:
    """Write the talk to a file."""
    path = state.path(words)
    conversation = state.talk.conversation
    save_talk(
        path,
        Transcript(
            system=conversation.system,
            exchanges=conversation.exchanges,
            parameters=state.talk.parameters,
        ),
    )
    state.tell(f"Saved to {path}.")
    return Then.GO_ON


def load(state: ChatState, words: str) -> Then:
    """Go on with the talk of a file."""
    saved = load_talk(state.path(words))
    conversation = state.talk.conversation
    conversation.system = saved.system
    conversation.replace(saved.exchanges)
    state.talk.parameters.update(saved.parameters)
    state.unanswered = None
    count = len(saved.exchanges)
    last = f"; the last: {_brief(saved.exchanges[-1].prompt)}" if count else ""
    state.tell(f"Loaded {count} exchange{'' if count == 1 else 's'}{last}")
    return Then.GO_ON


def _brief(text: str, most: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
