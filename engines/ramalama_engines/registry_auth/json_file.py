"""Read the JSON files in which Docker and Podman keep settings and passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_values.json import is_object, parse_json

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 4 * 1024 * 1024


class JsonFileError(Exception):
    """A file that cannot be used; the message names it, and shows nothing of what is in it."""


def read_object(path: Path) -> dict[str, object]:
    """Read the one JSON object in *path*.

    Raises:
        FileNotFoundError: there is no such file.
        JsonFileError: it cannot be read, or holds something else.
    """
    value, problem = _read(path)
    if not is_object(value):
        msg = f"{path} {problem or 'does not hold a JSON object'}"
        raise JsonFileError(msg)
    return value


def _read(path: Path) -> tuple[object, str | None]:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise
    except OSError as exc:
        return None, f"cannot be read: {exc.strerror}"
    try:
        return parse_json(content, limit=_LARGEST), None
    except ValueError as exc:
        return None, str(exc)
