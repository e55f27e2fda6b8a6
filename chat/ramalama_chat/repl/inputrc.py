"""Read from the user's inputrc which keys edit a line (readline's manual, "Readline Init File")."""

from collections.abc import Mapping
from pathlib import Path

_MOST_BYTES = 256 * 1024
_SETTING = 3  # words: set editing-mode vi


def prefers_vi(env: Mapping[str, str], home: Path) -> bool:
    """Return whether the first inputrc that exists says ``set editing-mode vi``.

    Lines between ``$if`` and ``$endif`` are ignored: they are for other programs.
    """
    named = env.get("INPUTRC")
    paths = [Path(named)] if named else [home / ".inputrc", Path("/etc/inputrc")]
    content = next((text for path in paths if (text := _read(path)) is not None), "")
    vi, depth = False, 0
    for line in content.splitlines():
        words = line.lower().split()
        if words[:1] == ["$if"]:
            depth += 1
        elif words[:1] == ["$endif"]:
            depth -= 1
        elif depth <= 0 and len(words) >= _SETTING and words[:2] == ["set", "editing-mode"]:
            vi = words[2] == "vi"
    return vi


def _read(path: Path) -> str | None:
    try:
        if not path.is_file():  # opening a FIFO would block
            return None
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
