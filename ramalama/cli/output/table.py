"""Tables of what an engine has, as `ramalama ps` and `ramalama image ls` print them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORT_ID = 12
_UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Align the columns; a line each."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def short_id(text: str) -> str:
    """Cut an ID to what tells it from others."""
    return text.removeprefix("sha256:")[:_SHORT_ID]


def age(created: datetime | None) -> str:
    """Say how long ago that was, in the largest unit that fits."""
    if created is None:
        return ""
    seconds = max(0, int((datetime.now(UTC) - created).total_seconds()))
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    return f"{seconds // size} {unit} ago"
