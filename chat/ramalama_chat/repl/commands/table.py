"""The table of commands: a new one is a function and a row here."""

from collections.abc import Callable
from dataclasses import dataclass

from ramalama_chat.errors import InputRefused
from ramalama_chat.repl.commands import conversation as talk
from ramalama_chat.repl.commands import files, settings, tools
from ramalama_chat.repl.commands.outcome import Then
from ramalama_chat.repl.state import ChatState


@dataclass(frozen=True, slots=True)
class Command:
    """What a user types, with its other names, and what it does.

    *arguments* are what follows the name: "" is nothing, FILE must, and [on|off] may. *run* is
    given that; it raises an InputRefused where it makes no sense.
    """

    names: tuple[str, ...]
    arguments: str
    summary: str
    run: Callable[[ChatState, str], Then]

    @property
    def usage(self) -> str:
        """The line of /help."""
        return f"{', '.join(self.names) + ' ' + self.arguments:31} {self.summary}"


def _leave(_desk: ChatState, _words: str) -> Then:
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
    Command(("/bye", "/exit"), "", "leave (as do exit, quit, bye and Ctrl-D)", _leave),
    Command(("/clear",), "", "forget what was said so far", talk.clear),
    Command(("/system",), "[TEXT]", 'show or set the system prompt ("": none)', talk.system),
    Command(
        *(("/set",), "[NAME VALUE]", "set temperature, seed, top_p, …; alone, list them"),
        settings.set_parameter,
    ),
    Command(("/show",), "[NAME]", "show the settings", settings.show),
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
        InputRefused: a single line begins with a slash, and there is no such command; or too much
            or too little follows one.

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
        msg = f"{name} stands alone; /help tells what it does"
        raise InputRefused(msg)
    if not words and command.arguments.isalpha():
        msg = f"which {command.arguments}?"
        raise InputRefused(msg)
    return command, words


def _command(name: str) -> Command:
    for command in COMMANDS:
        if name.lower() in command.names:
            return command
    import difflib  # noqa: PLC0415 - only for who has mistyped

    near = difflib.get_close_matches(name.lower(), NAMES, n=1)
    hint = f"did you mean {near[0]}?" if near else "/help lists them"
    msg = f"there is no command {name}"
    raise InputRefused(msg, hint=hint)
