"""An image as a list of local images shows it; not at the door, since only `images` needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_values import frozen

if TYPE_CHECKING:
    from datetime import datetime


@frozen()
class ImageSummary:
    """One image in an engine's local storage.

    Attributes:
        names: its references with tags, as the engine writes them; none if it has lost them all.
        size: bytes, layers that other images share counted in.
    """

    id: str
    names: tuple[str, ...] = ()
    size: int = 0
    created: datetime | None = None
