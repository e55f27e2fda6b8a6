"""What a piece of JSON is, for type checkers too."""

from collections.abc import Mapping, Sequence
from typing import TypeGuard

_MOST = 2**63  # of anything that a server counts or measures


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether *value* is a JSON object; its names are texts, since the parser made it."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[Sequence[object]]:
    """Tell whether *value* is a JSON array."""
    return isinstance(value, list)


def is_count(value: object) -> TypeGuard[int]:
    """Return whether *value* is a whole number of 0 or more; JSON's true is none."""
    return isinstance(value, int) and is_measure(value)


def is_measure(value: object) -> TypeGuard[float]:
    """Return whether *value* is a number of 0 or more that can be divided and printed."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST
