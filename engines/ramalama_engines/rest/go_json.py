"""Read JSON of Go programs, which write null for an empty list or map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def members(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 (JSON)
    """Return the JSON object *value*, empty for null."""
    return value or {}


def elements(value: Any) -> Sequence[Any]:  # noqa: ANN401 (JSON)
    """Return the JSON array *value*, empty for null."""
    return value or ()
