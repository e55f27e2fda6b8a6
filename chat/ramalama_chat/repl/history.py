"""What a user typed at earlier prompts: a file of their own, one JSON string a line."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ramalama_chat.input.regular_file import open_regular
from ramalama_values.json import parse_json

_MOST_BYTES = 1024 * 1024  # of the file's end; what is older than that is cut off
_OTHERS = 0o077  # the permissions of others
_LONGEST = 64 * 1024  # characters of a message that is remembered


def history_path(env: Mapping[str, str], home: Path) -> Path | None:
    """Return where the history is kept; None if RAMALAMA_NOHISTORY switches it off.

    The directory is the XDG Base Directory Specification's for what persists and is no setting.
    """
    if env.get("RAMALAMA_NOHISTORY", "") not in ("", "0"):
        return None
    state = env.get("XDG_STATE_HOME", "")
    return Path(state if state.startswith("/") else home / ".local/state") / "ramalama/history"


class History:
    """The history file at *path*; None for *path* keeps nothing.

    A history that cannot be read or written is told to *warn*, once, and does without from then on.
    """

    def __init__(self, path: Path | None, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self.enabled = path is not None

    def load(self) -> Sequence[str]:
        """Return what was typed, oldest first."""
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
        """Remember *text*."""
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
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as file:
        if os.fstat(file.fileno()).st_mode & _OTHERS:
            os.fchmod(file.fileno(), 0o600)
        file.write(line.encode())  # in one piece, so that two talks at once do not mix theirs


def _parse(line: str) -> str:
    """Return the text of a line; "" for what is none, such as the first one, cut by `_read_end`."""
    try:
        value = parse_json(line)
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""
