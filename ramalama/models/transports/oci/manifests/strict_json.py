"""Parse untrusted JSON: one object without duplicate fields; exceptions do not contain the text.

The result can be written as JSON again: NaN and halves of surrogate pairs are rejected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_values.json import is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping


def parse_object(content: bytes) -> Mapping[str, object]:
    """Parse one JSON object in which, at any depth, no field occurs twice.

    Raises:
        ValueError: it is something else; the message says what.
    """
    try:
        value = parse_json(content, strict=True)
    except ValueError as exc:
        msg = f"it {exc}"
        raise ValueError(msg) from None
    if not is_object(value):
        msg = "it is not a JSON object"
        raise ValueError(msg)
    return value
