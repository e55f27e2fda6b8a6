"""Commands that take something in or out: /image, /file, /copy."""

from dataclasses import replace

from ramalama_chat.errors import InputRefused
from ramalama_chat.input.attachments import read_image, read_text
from ramalama_chat.repl.clipboard import copy_sequence
from ramalama_chat.repl.commands.outcome import Then
from ramalama_chat.repl.state import Desk
from ramalama_chat.text import ControlFilter


def attach_image(desk: Desk, words: str) -> Then:
    """Attach a picture to the next prompt."""
    image = read_image(desk.path(words))
    desk.attachments = replace(desk.attachments, images=(*desk.attachments.images, image))
    desk.tell("Attached to your next message.")
    return Then.GO_ON


def attach_text(desk: Desk, words: str) -> Then:
    """Attach a text file to the next prompt."""
    text = read_text(desk.path(words))
    desk.attachments = replace(desk.attachments, texts=(*desk.attachments.texts, text))
    desk.tell("Attached to your next message.")
    return Then.GO_ON


def copy(desk: Desk, _words: str) -> Then:
    """Copy the last answer to the clipboard."""
    exchanges = desk.talk.conversation.exchanges
    if not exchanges:
        msg = "there is no answer yet"
        raise InputRefused(msg)
    if not desk.stderr.isatty():
        msg = "only a terminal has a clipboard"
        raise InputRefused(msg)
    # As it was shown: a shell may be where it is pasted.
    desk.stderr.write(copy_sequence(ControlFilter().feed(exchanges[-1].answer)))
    desk.tell("Copied, if your terminal allows it.")
    return Then.GO_ON
