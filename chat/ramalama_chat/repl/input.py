r"""Messages out of the lines that a user types.

message = line                        Enter ends it
        | line "\" newline message   a trailing backslash: it goes on in the next line
        | fence lines fence             everything in between, as it is; the fence is three quotes
"""

from collections.abc import Callable
from dataclasses import dataclass

_FENCE = '"""'


@dataclass(frozen=True, slots=True)
class Message:
    """What a user typed; *fenced* text is for the model, whatever it looks like."""

    text: str
    fenced: bool = False


def read_message(read_line: Callable[[bool], str]) -> Message | None:
    """Read one message; None at the end of the input.

    *read_line* returns a line with its newline, or "" at the end; its argument says whether the
    line continues a message. An end in the middle of a message ends the message.
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
    """Read a message that was typed or pasted as a whole, by the same grammar.

    Lines without a backslash belong to it too: whoever pastes several means one message. So do
    quotes that end before the text does: that is code, which begins with a docstring.
    """
    if text.lstrip().startswith(_FENCE):
        lines = iter(text.lstrip().splitlines(keepends=True))
        message = read_message(lambda _: next(lines, "")) or Message("")
        return Message(text, fenced=True) if "".join(lines).strip() else message
    return Message(text.rstrip("\r\n").replace("\\\n", "\n"))


def is_complete(text: str) -> bool:
    """Tell whether Enter ends the message *text*, or goes on in the next line."""
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
