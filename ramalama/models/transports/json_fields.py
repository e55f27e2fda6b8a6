"""Read a server's JSON, in which each value may have any type."""

from __future__ import annotations

from ramalama_values.json import is_object


def text(record: object, key: str) -> str:
    """Return the string under *key*; "" if there is none, or *record* is not a JSON object."""
    value = record.get(key) if is_object(record) else None
    return value if isinstance(value, str) else ""
