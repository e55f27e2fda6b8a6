"""Read the JSON files in which Docker and Podman keep settings and passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

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
    # The error is raised outside of the handlers: a chained JSONDecodeError carries the file's
    # whole content, which may be a password, into whatever shows the traceback.
    value, problem = _read(path)
    if not is_object(value):
        msg = f"{path} {problem or 'does not hold a JSON object'}"
        raise JsonFileError(msg)
    return value


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Tell whether *value* came from a JSON object."""
    return isinstance(value, dict)


def _read(path: Path) -> tuple[object, str | None]:
    import json  # noqa: PLC0415 (most commands read no such file)

    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise
    except OSError as exc:
        return None, f"cannot be read: {exc.strerror}"
    if len(content) > _LARGEST:
        return None, "is too large"
    try:
        return json.loads(content), None
    except json.JSONDecodeError as exc:
        return None, f"is not valid JSON (line {exc.lineno}, column {exc.colno})"
    except (ValueError, RecursionError):  # not UTF-8, or too much for the parser
        return None, "is not valid JSON"
