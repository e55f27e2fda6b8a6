"""The table of commands: a new command is a function and a row here."""

from collections.abc import Callable
from dataclasses import dataclass

from ramalama_chat.errors import InputRefused
from ramalama_chat.repl.commands import conversation, documents, files, settings, tools
from ramalama_chat.repl.commands.outcome import Then
from ramalama_chat.repl.state import ChatState


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its names, its arguments, its line of /help, and the function that runs it.

    *arguments* describes what follows the name: "" means none, FILE is required, and [on|off] is
    optional. *run* gets what follows the name; it raises InputRefused if it makes no sense.
    """

    names: tuple[str, ...]
    arguments: str
    summary: str
    run: Callable[[ChatState, str], Then]

    @property
    def usage(self) -> str:
        """The line that /help shows."""
        return f"{', '.join(self.names) + ' ' + self.arguments:31} {self.summary}"


def _leave(_state: ChatState, _words: str) -> Then:
    return Then.LEAVE


def _help(state: ChatState, words: str) -> Then:
    if not words:
        state.tell("\n".join(each.usage for each in COMMANDS) + _KEYS)
        return Then.GO_ON
    name = words if words.startswith("/") else f"/{words}"
    state.tell(_command(name).usage)
    return Then.GO_ON


COMMANDS = (
    Command(("/help", "/?"), "[COMMAND]", "this list, or one line of it", _help),
    Command(("/bye", "/exit"), "", "leave (also exit, quit, bye and Ctrl-D)", _leave),
    Command(("/clear",), "", "forget the conversation so far", conversation.clear),
    Command(
        ("/system",), "[TEXT]", 'show or set the system prompt ("": none)', conversation.system
    ),
    Command(
        *(("/set",), "[NAME VALUE]", "set temperature, seed, top_p, …; alone, list them"),
        settings.set_parameter,
    ),
    Command(("/show",), "[NAME]", "show the settings", settings.show),
    Command(
        ("/regenerate", "/retry"), "", "answer the last question again", conversation.regenerate
    ),
    Command(("/undo",), "", "forget the last question and its answer", conversation.undo),
    Command(("/save",), "FILE", "write the conversation to a file", conversation.save),
    Command(("/load",), "FILE", "continue a conversation from a file", conversation.load),
    Command(("/image",), "FILE", "attach a picture to the next message", files.attach_image),
    Command(("/file",), "FILE", "attach a text file to the next message", files.attach_text),
    Command(("/think",), "[on|off]", "let the model reason, and show it", settings.think),
    Command(("/stats",), "[on|off]", "show tokens and speed of each answer", settings.stats),
    Command(
        ("/rag",), "[on|off]", "show what the documents had; search them or not", documents.rag
    ),
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
    """Return the command in *text*, and what follows its name; None if *text* is for the model.

    A command begins with a slash. Text of several lines is a command only if its first word is a
    known name: pasted code may begin with a slash, too.

    Raises:
        InputRefused: a single line begins with a slash, and there is no such command; or a command
            has an argument that it does not take, or lacks one that it needs.

    """
    if text.strip().lower() in _BARE:
        return _command("/bye"), ""
    if not text.startswith("/") or text.startswith("//"):
        return None
    name, *rest = text.split(maxsplit=1)
    if "\n" in text and name.lower() not in NAMES:
        return None
    command, words = _command(name), rest[0].strip() if rest else ""
    if words and not command.arguments:
        msg = f"{name} takes no argument; /help shows what it does"
        raise InputRefused(msg)
    if not words and command.arguments.isalpha():
        msg = f"which {command.arguments}?"
        raise InputRefused(msg)
    return command, words


def _command(name: str) -> Command:
    for command in COMMANDS:
        if name.lower() in command.names:
            return command
    import difflib  # noqa: PLC0415 - only needed for a mistyped command

    near = difflib.get_close_matches(name.lower(), NAMES, n=1)
    hint = f"did you mean {near[0]}?" if near else "/help lists them"
    msg = f"there is no command {name}"
    raise InputRefused(msg, hint=hint)
