"""Read the list of local images, which has the same format for both engines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ramalama_engines.image_summary import ImageSummary
from ramalama_engines.rest.http import elements

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NO_NAME = "<none>:<none>"  # older versions of Docker write this for an image without a name


def image_summaries(answer: Iterable[Mapping[str, Any]] | None) -> tuple[ImageSummary, ...]:
    """Parse the answer of ``GET /images/json``."""
    return tuple(
        ImageSummary(
            id=item["Id"],
            names=tuple(name for name in elements(item.get("RepoTags")) if name != _NO_NAME),
            size=item["Size"],
            created=datetime.fromtimestamp(item["Created"], tz=UTC),
        )
        for item in answer or ()
    )
