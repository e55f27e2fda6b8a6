"""The table of commands: a new one is a function and a row here."""

from collections.abc import Callable
from dataclasses import dataclass

from ramalama_chat.commands import files, settings, talk, tools
from ramalama_chat.commands.outcome import Then
from ramalama_chat.desk import Desk
from ramalama_chat.errors import InputRefused


@dataclass(frozen=True, slots=True)
class Command:
    """What a user types, with its other names, and what it does.

    *run* is given what follows the name; it raises an InputRefused where that makes no sense.
    """

    names: tuple[str, ...]
    arguments: str
    summary: str
    run: Callable[[Desk, str], Then]


def _leave(_desk: Desk, _words: str) -> Then:
    return Then.LEAVE


def _help(desk: Desk, _words: str) -> Then:
    rows = [(f"{', '.join(each.names)} {each.arguments}", each.summary) for each in COMMANDS]
    desk.tell("\n".join(f"{usage:31} {summary}" for usage, summary in rows) + _KEYS)
    return Then.GO_ON


COMMANDS = (
    Command(("/help", "/?"), "", "this list", _help),
    Command(("/bye", "/exit"), "", "leave (as do exit, quit, bye and Ctrl-D)", _leave),
    Command(("/clear",), "", "forget what was said so far", talk.clear),
    Command(("/system",), "[TEXT]", "show or set the system prompt", talk.system),
    Command(
        *(("/set",), "[NAME VALUE]", "set temperature, seed, top_p, …; alone, list them"),
        settings.set_parameter,
    ),
    Command(("/show",), "", "show the settings", settings.show),
    Command(("/regenerate", "/retry"), "", "answer the last question again", talk.regenerate),
    Command(("/undo",), "", "forget the last question and its answer", talk.undo),
    Command(("/save",), "FILE", "write the talk to a file", talk.save),
    Command(("/load",), "FILE", "go on with a talk from a file", talk.load),
    Command(("/image",), "FILE", "attach a picture to the next message", files.attach_image),
    Command(("/file",), "FILE", "attach a text file to the next message", files.attach_text),
    Command(("/think",), "[on|off]", "let the model reason, and show it", settings.think),
    Command(("/stats",), "[on|off]", "tell tokens and speed of each answer", settings.stats),
    Command(("/tools",), "", "list what the model may call", tools.list_tools),
    Command(("/copy",), "", "copy the last answer to the clipboard", files.copy),
)
_KEYS = """
//...                           send a line that begins with one slash
\\ at the end of a line goes on in the next, as Alt-Enter does; three quotes (\""") begin and end
several lines. Ctrl-C stops the answer."""

NAMES = tuple(name for command in COMMANDS for name in command.names)
_BARE = frozenset({"exit", "quit", "bye"})


def find_command(text: str) -> tuple[Command, str] | None:
    """Return the command that *text* is, and what follows its name; None if it is for the model.

    Only what begins with a slash is a command, and of several lines only where the first word is a
    known one: code that is pasted may begin with a slash, too.

    Raises:
        InputRefused: a single line begins with a slash, and there is no such command.

    """
    if text.strip().lower() in _BARE:
        return COMMANDS[1], ""
    if not text.startswith("/") or text.startswith("//"):
        return None
    word, *rest = text.split(maxsplit=1)
    for command in COMMANDS:
        if word.lower() in command.names:
            return command, rest[0].strip() if rest else ""
    if "\n" in text:
        return None
    raise InputRefused(_unknown(word))


def _unknown(word: str) -> str:
    import difflib  # noqa: PLC0415 - only for who has mistyped

    near = difflib.get_close_matches(word.lower(), NAMES, n=1)
    hint = f"did you mean {near[0]}?" if near else "/help lists them"
    return f"there is no command {word}; {hint}"
