r"""Read messages from the lines that a user types.

message = line                        Enter ends it
        | line "\" newline message   a trailing backslash continues it in the next line
        | fence lines fence             the lines in between, unchanged; a fence is three quotes
"""

from collections.abc import Callable
from dataclasses import dataclass

_FENCE = '"""'


@dataclass(frozen=True, slots=True)
class Message:
    """A message that the user typed; *fenced* text is never a command."""

    text: str
    fenced: bool = False


def read_message(read_line: Callable[[bool], str]) -> Message | None:
    """Read one message; return None at the end of the input.

    *read_line* returns a line with its newline, or "" at the end; its argument says whether the
    line continues a message. The end of the input also ends an unfinished message.
    """
    first = read_line(False)  # noqa: FBT003 - a callable has no keywords
    if not first:
        return None
    if first.lstrip().startswith(_FENCE):
        return _read_fenced(first.lstrip().removeprefix(_FENCE), read_line)
    lines = [_chomp(first)]
    while lines[-1].endswith("\\"):
        lines[-1] = lines[-1].removesuffix("\\")
        lines.append(_chomp(read_line(True)))  # noqa: FBT003
    return Message("\n".join(lines))


def parse_message(text: str) -> Message:
    """Parse a message that was typed or pasted as a whole, by the same grammar.

    Lines without a trailing backslash belong to it, too, since pasted lines are one message. If the
    closing quotes come before the end, all of it is the message: code may begin with a docstring.
    """
    if text.lstrip().startswith(_FENCE):
        lines = iter(text.lstrip().splitlines(keepends=True))
        message = read_message(lambda _: next(lines, "")) or Message("")
        return Message(text, fenced=True) if "".join(lines).strip() else message
    return Message(text.rstrip("\r\n").replace("\\\n", "\n"))


def is_complete(text: str) -> bool:
    """Return whether Enter ends the message *text*, and does not begin another line of it."""
    if text.lstrip().startswith(_FENCE):
        inside = text.lstrip().removeprefix(_FENCE)
        return any(line.rstrip().endswith(_FENCE) for line in inside.splitlines())
    return not text.endswith("\\")


def _read_fenced(first: str, read_line: Callable[[bool], str]) -> Message:
    line, lines = first, list[str]()
    while line and not line.rstrip().endswith(_FENCE):
        lines.append(line)
        line = read_line(True)  # noqa: FBT003
    lines.append(line.rstrip().removesuffix(_FENCE))
    return Message("".join(lines).strip("\r\n"), fenced=True)


def _chomp(line: str) -> str:
    return line.rstrip("\r\n")
