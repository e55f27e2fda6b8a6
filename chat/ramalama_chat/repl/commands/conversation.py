"""Commands that change what was said: /clear, /system, /undo, /regenerate, /save, /load."""

from ramalama_chat.input.attachments import Attachments
from ramalama_chat.repl.commands.outcome import Then
from ramalama_chat.repl.state import Desk
from ramalama_chat.session.transcript import SavedTalk, load_talk, save_talk


def clear(desk: Desk, _words: str) -> Then:
    """Forget what was said, and what is attached."""
    desk.talk.conversation.clear()
    desk.attachments, desk.unanswered = Attachments(), None
    desk.tell("The conversation starts anew.")
    return Then.GO_ON


def system(desk: Desk, words: str) -> Then:
    """Show the system prompt, or set another; a pair of quotes stands for none."""
    if words in ('""', "''"):
        desk.talk.conversation.system = None
        desk.tell("There is no system prompt any more.")
    elif words:
        desk.talk.conversation.system = words
        desk.tell("The system prompt is set; what was said stays.")
    else:
        desk.tell(desk.talk.conversation.system or "There is no system prompt.")
    return Then.GO_ON


def undo(desk: Desk, _words: str) -> Then:
    """Forget the last exchange."""
    exchange = desk.talk.conversation.undo()
    if exchange is None:
        desk.tell("Nothing was said yet.")
    else:
        desk.tell(f"Forgotten: {_brief(exchange.prompt)}")
    return Then.GO_ON


def regenerate(desk: Desk, _words: str) -> Then:
    """Have the last question asked again."""
    if desk.unanswered is None and not desk.talk.conversation.exchanges:
        desk.tell("Nothing was asked yet.")
        return Then.GO_ON
    return Then.ASK_AGAIN


def save(desk: Desk, words: str) -> Then:
    """Write the talk to a file."""
    path = desk.path(words)
    conversation = desk.talk.conversation
    save_talk(
        path,
        SavedTalk(
            system=conversation.system,
            exchanges=conversation.exchanges,
            parameters=desk.talk.parameters,
        ),
    )
    desk.tell(f"Saved to {path}.")
    return Then.GO_ON


def load(desk: Desk, words: str) -> Then:
    """Go on with the talk of a file."""
    saved = load_talk(desk.path(words))
    conversation = desk.talk.conversation
    conversation.system = saved.system
    conversation.replace(saved.exchanges)
    desk.talk.parameters.update(saved.parameters)
    desk.unanswered = None
    count = len(saved.exchanges)
    last = f"; the last: {_brief(saved.exchanges[-1].prompt)}" if count else ""
    desk.tell(f"Loaded {count} exchange{'' if count == 1 else 's'}{last}")
    return Then.GO_ON


def _brief(text: str, most: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
