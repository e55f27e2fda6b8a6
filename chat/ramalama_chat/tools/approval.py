r"""Ask the user whether a tool may be called, unless the user has approved it before.

A call is shown as JSON in which nothing is left out: each character that is not plainly visible is
an escape (`ramalama_values.text`), and a run of spaces, which could push a text out of sight or
look like the end of the call, is a count such as ``\{160 spaces}``. JSON writes a backslash as two,
so no argument can look like an escape or a count.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TextIO

from ramalama_chat.output.echo import shown_keys
from ramalama_chat.tools.tool import Tool
from ramalama_values.text import printable

_LONGEST = 2000  # characters of arguments that are shown
_MANY_SPACES = " {5,}"  # more than the indentation of code has at once


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
        name = f"{tool.server}: {tool.name}"
        what = f"{name} {_shown(arguments)}"
        if self.always or key in self._allowed:
            self._write(f"(tool: {what})\n")
            return True
        if not self.stdin.isatty():
            self._write(f"(refused, since the user cannot be asked: {what}; see --mcp-approve)\n")
            return False
        self._write(f"Tool call: {what}\n")
        word = self._ask(f"Call {name}? [y]es, [n]o, [a]lways: ")
        if word in {"a", "always"}:
            self._allowed.add(key)
        return word in {"y", "yes", "a", "always"}

    def _ask(self, question: str) -> str:
        self._write(question)
        _discard_input(self.stdin)
        with shown_keys(self.stdin):
            line = self.stdin.readline()
        if not line.endswith("\n"):
            self._write("\n")  # Ctrl-D leaves the cursor where it is
        return line.strip().lower()

    def _write(self, text: str) -> None:
        self.stderr.write(printable(text, keep="\n"))
        self.stderr.flush()


def _shown(arguments: Mapping[str, object]) -> str:
    text = printable(json.dumps(arguments, ensure_ascii=False))
    text = re.sub(_MANY_SPACES, lambda run: rf"\{{{len(run[0])} spaces}}", text)
    rest = len(text) - _LONGEST
    return text if rest <= 0 else f"{text[:_LONGEST]}… and {rest} more characters"


def _discard_input(terminal: TextIO) -> None:
    """Discard the keys that were pressed before the question was shown."""
    import termios  # noqa: PLC0415 - only needed for questions

    with suppress(termios.error):
        termios.tcflush(terminal.fileno(), termios.TCIFLUSH)
