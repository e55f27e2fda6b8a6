"""The messages that a user typed at earlier prompts: a private file, one JSON string a line."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ramalama_chat.input.regular_file import open_regular
from ramalama_values.directories import PRIVATE, make_directories
from ramalama_values.json import parse_json

_MOST_BYTES = 1024 * 1024  # read from the end of the file; older lines are ignored
_GROUP_AND_OTHERS = 0o077  # permission bits
_LONGEST = 64 * 1024  # characters of a message that is saved


def history_path(env: Mapping[str, str], home: Path) -> Path | None:
    """Return the path of the history file; None if RAMALAMA_NOHISTORY switches the history off.

    The directory is the one for state files of the XDG Base Directory Specification.
    """
    if env.get("RAMALAMA_NOHISTORY", "") not in ("", "0"):
        return None
    state = env.get("XDG_STATE_HOME", "")
    return Path(state if state.startswith("/") else home / ".local/state") / "ramalama/history"


class History:
    """The history file at *path*; with None for *path*, nothing is kept.

    If the file cannot be read or written, *warn* is called once, and the history is switched off.
    """

    def __init__(self, path: Path | None, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self.enabled = path is not None

    def load(self) -> Sequence[str]:
        """Return the saved messages, oldest first."""
        if self._path is None or not self.enabled:
            return ()
        try:
            content = _read_end(self._path)
        except FileNotFoundError:
            return ()
        except OSError as exc:
            self._give_up(exc)
            return ()
        lines = content.decode("utf-8", "replace").splitlines()
        return [text for line in lines if (text := _parse(line))]

    def append(self, text: str) -> None:
        """Save *text* as the newest message."""
        if self._path is None or not self.enabled or len(text) > _LONGEST:
            return
        try:
            _append(self._path, json.dumps(text) + "\n")
        except OSError as exc:
            self._give_up(exc)

    def _give_up(self, exc: OSError) -> None:
        self.enabled = False
        self._warn(f"Warning: no history: {self._path}: {exc.strerror}")


def _read_end(path: Path) -> bytes:
    with open_regular(path, os.O_RDONLY) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _MOST_BYTES))
        return file.read()


def _append(path: Path, line: str) -> None:
    make_directories(path.parent, mode=PRIVATE)
    with open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as file:
        if os.fstat(file.fileno()).st_mode & _GROUP_AND_OTHERS:
            os.fchmod(file.fileno(), 0o600)
        file.write(line.encode())  # in one write, so that the lines of two chats do not mix


def _parse(line: str) -> str:
    """Return the text of a line; "" if it is not valid, such as one that `_read_end` cut."""
    try:
        value = parse_json(line)
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""
