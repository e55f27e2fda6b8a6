"""Commands that attach a file or copy an answer: /image, /file, /copy."""

from dataclasses import replace

from ramalama_chat.errors import InputRefused
from ramalama_chat.input.attachments import read_image, read_text
from ramalama_chat.repl.clipboard import copy_sequence
from ramalama_chat.repl.commands.outcome import Then
from ramalama_chat.repl.state import ChatState
from ramalama_chat.text import ControlFilter


def attach_image(state: ChatState, words: str) -> Then:
    """Attach a picture to the next prompt."""
    image = read_image(state.path(words))
    state.session.abilities().ensure_sees()
    state.attachments = replace(state.attachments, images=(*state.attachments.images, image))
    state.tell("Attached to your next message.")
    return Then.GO_ON


def attach_text(state: ChatState, words: str) -> Then:
    """Attach a text file to the next prompt."""
    text = read_text(state.path(words))
    state.attachments = replace(state.attachments, texts=(*state.attachments.texts, text))
    state.tell("Attached to your next message.")
    return Then.GO_ON


def copy(state: ChatState, _words: str) -> Then:
    """Copy the last answer to the clipboard."""
    exchanges = state.session.conversation.exchanges
    if not exchanges:
        msg = "there is no answer yet"
        raise InputRefused(msg)
    if not state.stderr.isatty():
        msg = "only a terminal has a clipboard"
        raise InputRefused(msg)
    # Without control sequences, as the terminal showed it: the user may paste it into a shell.
    state.stderr.write(copy_sequence(ControlFilter().feed(exchanges[-1].answer)))
    state.tell("Copied, if your terminal allows it.")
    return Then.GO_ON
