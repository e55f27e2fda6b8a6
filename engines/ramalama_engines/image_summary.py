"""An entry in a list of local images, for `Engine.images`; the package does not export it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_values import frozen

if TYPE_CHECKING:
    from datetime import datetime


@frozen()
class ImageSummary:
    """One image in an engine's local storage.

    Attributes:
        names: its references with tags, as the engine writes them; empty if it has no tag left.
        size: bytes, including layers that it shares with other images.
    """

    id: str
    names: tuple[str, ...] = ()
    size: int = 0
    created: datetime | None = None
