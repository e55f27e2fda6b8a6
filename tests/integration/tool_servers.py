"""Real MCP servers of `tests/doubles/tool_server.py`: a program, and one on the web."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator

# What the command says of the tool whose name is none.
LEFT_OUT: Final = "(a tool of tools is left out: 'no name\\x1b[2J' is not a valid name of a tool)\n"

_TOOL_SERVER: Final = Path(__file__).parents[1] / "doubles/tool_server.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stdio:
    """A server that the command starts: what it is told, and where the server's pid will be."""

    option: str
    pid_file: Path

    def has_ended(self) -> bool:
        """Tell whether it was started and is gone."""
        try:
            os.kill(int(self.pid_file.read_text()), 0)
        except ProcessLookupError:
            return True
        return False

    def is_called(self) -> bool:
        """Tell whether its tool "sleep" has been called."""
        return self.pid_file.with_name(f"{self.pid_file.name}.called").exists()


def make_stdio(directory: Path) -> Stdio:
    """Make a server named "tools"."""
    program = directory / "tools"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {_TOOL_SERVER} "$@"\n')
    program.chmod(0o700)
    pid_file = directory / "the pid"
    return Stdio(option=f"--mcp={program} stdio {shlex.quote(str(pid_file))}", pid_file=pid_file)


@contextmanager
def http_server(directory: Path, kind: str = "http") -> Generator[str]:
    """Run a server, and yield its URL."""
    file = directory / "url"
    words = [sys.executable, str(_TOOL_SERVER), kind, str(file)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            next(line for line in process.stderr if "running on" in line)
            yield file.read_text()
        finally:
            process.kill()
