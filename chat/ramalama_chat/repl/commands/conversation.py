"""Commands that change the conversation: /clear, /system, /undo, /regenerate, /save, /load."""

from ramalama_chat.input.attachments import Attachments
from ramalama_chat.repl.commands.outcome import Then
from ramalama_chat.repl.state import ChatState
from ramalama_chat.session.transcript import Transcript, load_transcript, save_transcript


def clear(state: ChatState, _words: str) -> Then:
    """Forget the conversation and the attachments."""
    state.session.conversation.clear()
    state.attachments, state.unanswered = Attachments(), None
    state.tell("The conversation starts anew.")
    return Then.GO_ON


def system(state: ChatState, words: str) -> Then:
    """Show the system prompt, or set it to *words*; a pair of quotes removes it."""
    if words in ('""', "''"):
        state.session.conversation.system = None
        state.tell("There is no system prompt any more.")
    elif words:
        state.session.conversation.system = words
        state.tell("The system prompt is set. The conversation is kept.")
    else:
        state.tell(state.session.conversation.system or "There is no system prompt.")
    return Then.GO_ON


def undo(state: ChatState, _words: str) -> Then:
    """Forget the last exchange."""
    exchange = state.session.conversation.undo()
    if exchange is None:
        state.tell("Nothing was said yet.")
    else:
        state.tell(f"Forgotten: {_brief(exchange.prompt)}")
    return Then.GO_ON


def regenerate(state: ChatState, _words: str) -> Then:
    """Have the last question asked again."""
    if state.unanswered is None and not state.session.conversation.exchanges:
        state.tell("Nothing was asked yet.")
        return Then.GO_ON
    return Then.ASK_AGAIN


def save(state: ChatState, words: str) -> Then:
    """Write the conversation to a file."""
    path = state.path(words)
    conversation = state.session.conversation
    save_transcript(
        path,
        Transcript(
            system=conversation.system,
            exchanges=conversation.exchanges,
            parameters=state.session.parameters,
        ),
    )
    state.tell(f"Saved to {path}.")
    return Then.GO_ON


def load(state: ChatState, words: str) -> Then:
    """Continue the conversation that a file holds."""
    saved = load_transcript(state.path(words))
    if any(each.images for each in saved.exchanges):
        state.session.abilities().ensure_sees()
    conversation = state.session.conversation
    conversation.system = saved.system
    conversation.replace(saved.exchanges)
    state.session.parameters.update(saved.parameters)
    state.unanswered = None
    count = len(saved.exchanges)
    last = f"; the last: {_brief(saved.exchanges[-1].prompt)}" if count else ""
    state.tell(f"Loaded {count} exchange{'' if count == 1 else 's'}{last}")
    return Then.GO_ON


def _brief(text: str, most: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
