"""Named volumes: their names, and how both engines list them."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ramalama_engines.errors import ContainerConflict, UnsupportedOption
from ramalama_engines.rest.http import elements, members
from ramalama_engines.spec import Volume
from ramalama_values.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}"


def is_volume_name(name: str) -> bool:
    """Return whether both engines accept *name*; anything else could be a path, or another URL."""
    return re.fullmatch(_NAME, name) is not None


def check_volume_name(name: str, *, engine: str) -> str:
    """Return *name*.

    Raises:
        UnsupportedOption: no volume can have this name.
    """
    if not is_volume_name(name):
        msg = (
            f"a volume cannot have the name '{printable(name[:255])}': it must begin with a letter"
            " or a digit and continue with these, '_', '.' or '-'"
        )
        raise UnsupportedOption(msg, engine=engine)
    return name


def volume_filters(labels: Mapping[str, str]) -> str:
    """Return the query parameter `filters` that selects by *labels*."""
    return json.dumps({"label": [f"{k}={v}" if v else k for k, v in labels.items()]})


def listed_volumes(answer: Any, labels: Mapping[str, str]) -> Sequence[Volume]:  # noqa: ANN401 (JSON)
    """Read a list of volumes; keep those with all *labels*, since not every engine looks at all."""
    found = (
        Volume(
            name=item["Name"],
            labels=members(item.get("Labels")),
            created=_moment(item.get("CreatedAt")),
        )
        for item in elements(answer)
    )
    return tuple(
        volume
        for volume in found
        if all(
            name in volume.labels and value in ("", volume.labels[name])
            for name, value in labels.items()
        )
    )


def volume_in_use(name: str, *, engine: str) -> ContainerConflict:
    """Return the error for a volume that a container uses."""
    msg = f"a container uses the volume {name}; remove the container first"
    return ContainerConflict(msg, engine=engine)


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None
