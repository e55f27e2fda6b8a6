"""Who may say that a tool is called: the user, each time, unless they have said so before."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TextIO

from ramalama_chat.text import ControlFilter
from ramalama_chat.tools.tool import Tool

_LONGEST = 2000  # characters of arguments that are shown


@dataclass(slots=True, kw_only=True)
class Approval:
    """Asks on *stderr*, and reads the answer from *stdin*; with *always*, only tells.

    Where *stdin* is no terminal there is nobody to ask, and nothing is allowed.
    """

    stdin: TextIO
    stderr: TextIO
    always: bool
    _allowed: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]], init=False)

    def __call__(self, tool: Tool, arguments: Mapping[str, object]) -> bool:
        """Tell whether *tool* may be called with *arguments*."""
        key = (tool.server, tool.name)
        what = f"{tool.server}: {tool.name} {_shown(arguments)}"
        if self.always or key in self._allowed:
            self._write(f"(tool: {what})\n")
            return True
        if not self.stdin.isatty():
            self._write(f"(refused, with nobody to ask: {what}; see --mcp-approve)\n")
            return False
        word = self._ask(f"Call {what}? [y]es, [n]o, [a]lways: ")
        if word in {"a", "always"}:
            self._allowed.add(key)
        return word in {"y", "yes", "a", "always"}

    def _ask(self, question: str) -> str:
        self._write(question)
        _forget_keys(self.stdin)
        line = self.stdin.readline()
        if not line.endswith("\n"):
            self._write("\n")  # Ctrl-D leaves the cursor where it is
        return line.strip().lower()

    def _write(self, text: str) -> None:
        self.stderr.write(ControlFilter().feed(text))
        self.stderr.flush()


def _shown(arguments: Mapping[str, object]) -> str:
    text = json.dumps(arguments, ensure_ascii=False)
    rest = len(text) - _LONGEST
    return text if rest <= 0 else f"{text[:_LONGEST]}… and {rest} characters more"


def _forget_keys(terminal: TextIO) -> None:
    """Drop what was typed before the question was there to be read."""
    import termios  # noqa: PLC0415 - for who asks alone

    with suppress(termios.error):
        termios.tcflush(terminal.fileno(), termios.TCIFLUSH)
