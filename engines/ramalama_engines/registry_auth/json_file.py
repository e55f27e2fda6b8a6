"""Read the JSON files in which Docker and Podman store settings and passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_values.json import is_object, parse_json

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 4 * 1024 * 1024


class JsonFileError(Exception):
    """A file cannot be used; the message has its path, and nothing of its content."""


def read_object(path: Path) -> dict[str, object]:
    """Return the JSON object in the file *path*.

    Raises:
        FileNotFoundError: there is no such file.
        JsonFileError: the file cannot be read, or does not contain a JSON object.
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
