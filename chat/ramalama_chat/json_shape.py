"""What a piece of JSON is, for type checkers too."""

from collections.abc import Mapping, Sequence
from typing import TypeGuard


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether *value* is a JSON object; its names are texts, since the parser made it."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[Sequence[object]]:
    """Tell whether *value* is a JSON array."""
    return isinstance(value, list)
