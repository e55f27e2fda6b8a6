"""Read JSON that a server sent: anything may be of any type."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Mapping


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether *value* came from a JSON object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[object]]:
    """Tell whether *value* came from a JSON array."""
    return isinstance(value, list)


def text(record: object, key: str) -> str:
    """Return the string under *key*; "" if there is none, or *record* is no JSON object."""
    value = record.get(key) if is_object(record) else None
    return value if isinstance(value, str) else ""
