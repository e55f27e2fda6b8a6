"""Ask the user whether a tool may be called, unless the user has approved it before."""

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
    """Asks on *stderr* and reads the answer from *stdin*; with *always*, only reports the call.

    If *stdin* is not a terminal, the user cannot be asked, and every call is refused.
    """

    stdin: TextIO
    stderr: TextIO
    always: bool
    _allowed: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]], init=False)

    def __call__(self, tool: Tool, arguments: Mapping[str, object]) -> bool:
        """Return whether *tool* may be called with *arguments*."""
        key = (tool.server, tool.name)
        what = f"{tool.server}: {tool.name} {_shown(arguments)}"
        if self.always or key in self._allowed:
            self._write(f"(tool: {what})\n")
            return True
        if not self.stdin.isatty():
            self._write(f"(refused, since the user cannot be asked: {what}; see --mcp-approve)\n")
            return False
        word = self._ask(f"Call {what}? [y]es, [n]o, [a]lways: ")
        if word in {"a", "always"}:
            self._allowed.add(key)
        return word in {"y", "yes", "a", "always"}

    def _ask(self, question: str) -> str:
        self._write(question)
        _discard_input(self.stdin)
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
    return text if rest <= 0 else f"{text[:_LONGEST]}… and {rest} more characters"


def _discard_input(terminal: TextIO) -> None:
    """Discard the keys that were pressed before the question was shown."""
    import termios  # noqa: PLC0415 - only needed for questions

    with suppress(termios.error):
        termios.tcflush(terminal.fileno(), termios.TCIFLUSH)
