"""Parse untrusted JSON, which may have any size and structure, or not be JSON at all."""

from __future__ import annotations

# Type checkers know this name. It is not imported from `typing`, whose import is slow.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, TypeGuard

_MOST = 2**64  # enough for sizes, inode numbers, and counts and durations of servers


def parse_json(content: bytes | str, *, limit: int | None = None, strict: bool = False) -> object:
    """Return the JSON value of *content*; bytes are UTF-8, with or without a byte order mark.

    *limit* is the maximum length of *content*, in bytes or characters; None means no limit. With
    *strict*, no object may have the same field twice. NaN, infinity and halves of surrogate pairs,
    which are not JSON but which Python accepts, are then rejected too, so that the value can be
    written as JSON again.

    Raises:
        ValueError: *content* is not such a value. The message continues a sentence that begins with
            a file's name: "is not valid JSON (line 1, column 2)". It has no text of *content*,
            which may contain a password.
    """
    if limit is not None and len(content) > limit:
        msg = f"is longer than {limit} bytes"
        raise ValueError(msg)
    # Raised outside the handler: a JSONDecodeError in the chain would contain the whole content.
    value, problem = _parse(content, strict=strict)
    if problem:
        raise ValueError(problem)
    return value


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Return whether *value*, which a JSON parser returned, is an object; its keys are str."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[object]]:
    """Return whether *value* is a JSON array."""
    return isinstance(value, list)


def is_count(value: object) -> TypeGuard[int]:
    """Return whether *value* is an integer from 0 to 2⁶⁴ - 1, and not a bool."""
    return isinstance(value, int) and is_measure(value)


def is_measure(value: object) -> TypeGuard[float]:
    """Return whether *value* is a finite number, at least 0 and less than 2⁶⁴, and not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _MOST


class _RefusedError(ValueError):
    """Python's parser accepts this text, but strict parsing must not; the message says why."""


def _parse(content: bytes | str, *, strict: bool) -> tuple[object, str]:
    """Return the value and the problem with *content*; the problem is "" if there is none."""
    import json  # noqa: PLC0415 (it imports re)

    pairs, constants = (_unambiguous, _refuse) if strict else (None, None)
    try:
        text = content if isinstance(content, str) else content.decode().removeprefix("\ufeff")
        value: object = json.loads(text, object_pairs_hook=pairs, parse_constant=constants)
        if strict and "\\u" in text:  # it may be an escape of half of a surrogate pair
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as exc:
        return None, _problem(exc)
    return value, ""


def _problem(exc: ValueError | RecursionError) -> str:
    import json  # noqa: PLC0415 (see above)

    match exc:
        case _RefusedError():
            return str(exc)
        case json.JSONDecodeError():
            why = f" (line {exc.lineno}, column {exc.colno})"
        case UnicodeDecodeError():
            why = ": it is not UTF-8"
        case UnicodeEncodeError():
            why = ": it has half of a character"
        case RecursionError():
            why = ": it is nested too deeply"
        case _:  # Python reads no number of over 4300 digits
            why = ": it has a number with too many digits"
    return f"is not valid JSON{why}"


def _unambiguous(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        msg = "is ambiguous: a field occurs twice in it"
        raise _RefusedError(msg)
    return fields


def _refuse(constant: str) -> NoReturn:
    msg = f"is not valid JSON, which has no {constant}"
    raise _RefusedError(msg)
