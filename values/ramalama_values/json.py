"""Read JSON that a stranger wrote: it may be of any size and shape, and no JSON at all."""

from __future__ import annotations

# Type checkers know the name; `typing` takes long to import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeGuard

_MOST = 2**64  # sizes, inodes and what servers count or measure


def parse_json(content: bytes | str, *, limit: int | None = None, unique: bool = False) -> object:
    """Return the JSON value that *content* is; bytes are UTF-8, with or without a byte order mark.

    *limit* is the longest content, in bytes or characters; None is no limit. With *unique*, no
    object in it may have the same field twice.

    Raises:
        ValueError: it is something else. The message is what can follow the content's name, such
            as "is not valid JSON (line 1, column 2)", and no text of the content, which may be a
            password.
    """
    if limit is not None and len(content) > limit:
        msg = f"is longer than {limit} bytes"
        raise ValueError(msg)
    # Raised outside of the handlers: a JSONDecodeError in the chain carries the whole content.
    value, problem = _parse(content, unique=unique)
    if problem:
        raise ValueError(problem)
    return value


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Return whether *value* is a JSON object; its names are texts, since a parser made it."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[object]]:
    """Return whether *value* is a JSON array."""
    return isinstance(value, list)


def is_count(value: object) -> TypeGuard[int]:
    """Return whether *value* is a whole number from 0 to 2⁶⁴ - 1; JSON's true is none."""
    return isinstance(value, int) and is_measure(value)


def is_measure(value: object) -> TypeGuard[float]:
    """Return whether *value* is a number from 0 to below 2⁶⁴, which can be divided and printed."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _MOST


class _AmbiguousObject(ValueError):
    """An object has the same field twice."""


def _parse(content: bytes | str, *, unique: bool) -> tuple[object, str]:
    """Return the value, and what is wrong with *content*, "" for nothing."""
    import json  # noqa: PLC0415 (it imports re)

    hook = _unambiguous if unique else None
    try:
        text = content if isinstance(content, str) else content.decode().removeprefix("\ufeff")
        return json.loads(text, object_pairs_hook=hook), ""
    except json.JSONDecodeError as exc:
        return None, f"is not valid JSON (line {exc.lineno}, column {exc.colno})"
    except UnicodeDecodeError:
        return None, "is not valid JSON: it is not UTF-8"
    except RecursionError:
        return None, "is not valid JSON: it is nested too deeply"
    except _AmbiguousObject:
        return None, "is ambiguous: a field occurs twice in it"
    except ValueError:  # Python reads no number of over 4300 digits
        return None, "is not valid JSON: it has a number with too many digits"


def _unambiguous(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _AmbiguousObject
    return fields
