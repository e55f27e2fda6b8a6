"""What a person sees at a terminal: the screen, after all that moves on it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pexpect
import pyte

from tests.integration.cli import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_COLUMNS, _LINES = 100, 60

# A terminal at which the line editor works.
EDITED: Mapping[str, str] = {"TERM": "xterm-256color", "PROMPT_TOOLKIT_COLOR_DEPTH": "DEPTH_1_BIT"}


class Screen:
    """The screen of the terminal that *child* runs at; each wait ends after `patience` seconds."""

    def __init__(self, child: pexpect.spawn[str]) -> None:
        self._child = child
        self.patience = PATIENCE
        child.setwinsize(_LINES, _COLUMNS)  # pyright: ignore[reportUnknownMemberType]
        self._screen = pyte.Screen(_COLUMNS, _LINES)
        self._stream = pyte.Stream(self._screen)
        self.raw = ""

    @property
    def lines(self) -> list[str]:
        """The lines down to the last that is not empty."""
        return self.text.splitlines()

    @property
    def text(self) -> str:
        """All that can be read."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    def type(self, keys: str) -> None:
        """Press *keys*."""
        self._child.send(keys)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Read until *condition* holds."""
        deadline = time.monotonic() + self.patience
        while not condition():
            assert time.monotonic() < deadline, f"this is not what was waited for:\n{self.text}"
            assert self._read(), f"the command has ended:\n{self.text}"

    def wait_for(self, *lines: str) -> None:
        """Wait until these are the last lines of the screen."""
        self.wait_until(lambda: self.lines[-len(lines) :] == list(lines))

    def wait_for_text(self, text: str) -> None:
        """Wait until *text* stands somewhere on the screen."""
        self.wait_until(lambda: text in self.text)

    def wait_for_end(self) -> int | None:
        """Wait for the end of the command, and return its exit code."""
        deadline = time.monotonic() + self.patience
        while self._read():
            assert time.monotonic() < deadline, f"the command does not end:\n{self.text}"
        self._child.close()
        return self._child.exitstatus

    def _read(self) -> bool:
        """Take in what comes; False at its end."""
        try:
            text = self._child.read_nonblocking(4096, timeout=0.2)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += text
        self._stream.feed(text)
        return True
