"""Format the tables that `ramalama ps`, `list` and `image ls` print."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORT_ID = 12
_UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Return the rows as aligned columns, one line per row."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def short_id(text: str) -> str:
    """Shorten the ID of a container or an image to 12 characters, as the engines do."""
    return text.removeprefix("sha256:")[:_SHORT_ID]


def age(created: datetime | None) -> str:
    """Describe how long ago *created* was, in the largest unit that fits; empty if it is None."""
    if created is None:
        return ""
    seconds = max(0, int((datetime.now(UTC) - created).total_seconds()))
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    return f"{seconds // size} {unit} ago"
