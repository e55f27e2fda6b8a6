"""Read JSON that a stranger wrote: it may be of any size and shape, and no JSON at all."""

from __future__ import annotations

# Type checkers know the name; `typing` takes long to import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, TypeGuard

_MOST = 2**64  # sizes, inodes and what servers count or measure


def parse_json(content: bytes | str, *, limit: int | None = None, strict: bool = False) -> object:
    """Return the JSON value that *content* is; bytes are UTF-8, with or without a byte order mark.

    *limit* is the longest content, in bytes or characters; None is no limit. With *strict*, no
    object in it may have the same field twice, and what Python takes beyond JSON is refused, so
    that the value can be written again: NaN, infinity, and halves of surrogate pairs.

    Raises:
        ValueError: it is something else. The message is what can follow the content's name, such
            as "is not valid JSON (line 1, column 2)", and no text of the content, which may be a
            password.
    """
    if limit is not None and len(content) > limit:
        msg = f"is longer than {limit} bytes"
        raise ValueError(msg)
    # Raised outside of the handlers: a JSONDecodeError in the chain carries the whole content.
    value, problem = _parse(content, strict=strict)
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


class _RefusedError(ValueError):
    """What the parser would have taken, and why it must not."""


def _parse(content: bytes | str, *, strict: bool) -> tuple[object, str]:
    """Return the value, and what is wrong with *content*, "" for nothing."""
    import json  # noqa: PLC0415 (it imports re)

    pairs, constants = (_unambiguous, _refuse) if strict else (None, None)
    try:
        text = content if isinstance(content, str) else content.decode().removeprefix("\ufeff")
        value: object = json.loads(text, object_pairs_hook=pairs, parse_constant=constants)
        if strict and "\\u" in text:  # the escape of half of a pair?
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
