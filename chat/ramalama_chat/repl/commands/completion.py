"""Complete a command when the user presses Tab."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ramalama_chat.repl.commands.settings import SETTABLE
from ramalama_chat.repl.commands.table import COMMANDS, NAMES
from ramalama_chat.repl.path_completion import continue_path


def continue_command(
    typed: str, path_of: Callable[[str], Path] = Path
) -> tuple[str, Sequence[str]]:
    """Return the last part of *typed*, and the texts that can replace it.

    *path_of* turns what the user typed into a path. Text of several lines, and text that is not a
    command, has no completions.
    """
    if not typed.startswith("/") or "\n" in typed:
        return "", ()
    name, space, part = typed.partition(" ")
    if not space:
        return name, _beginning(name, NAMES)
    arguments = next((each.arguments for each in COMMANDS if name in each.names), "")
    match arguments:
        case "FILE":
            return part, continue_path(part, path_of)
        case "[NAME VALUE]":
            return part, _beginning(part, SETTABLE)
        case "[COMMAND]":
            return part, _beginning(part, NAMES)
        case choices:
            return part, _beginning(part, re.findall(r"[a-z]+", choices))


def _beginning(part: str, words: Sequence[str]) -> Sequence[str]:
    return [word for word in words if word.startswith(part)]
