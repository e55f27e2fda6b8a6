"""Print the table of `ramalama image ls`: the local images that model servers run in."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from ramalama.cli.output.table import age, short_id, table
from ramalama_accel.images import IMAGES, VLLM_BUILDS, VLLM_IMAGES
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines import ImageReference
from ramalama_values.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ramalama.config.config import Config
    from ramalama_engines.image_summary import ImageSummary

_REPOSITORIES_BY_RUNTIME = {
    RuntimeName.LLAMA_CPP: {*IMAGES.values()},
    RuntimeName.VLLM: {*VLLM_BUILDS.values(), *VLLM_IMAGES.values()},
}
OURS = frozenset[str]().union(*_REPOSITORIES_BY_RUNTIME.values())
"""The repositories of the images of model servers, unless the settings name other ones."""

_HEADING = ("IMAGE", "IMAGE ID", "CREATED", "SIZE")
_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))

Named = tuple[str, "ImageSummary"]


def choose(
    images: Iterable[ImageSummary], config: Config, runtime: RuntimeName | None
) -> Sequence[Named]:
    """Return the images of model servers, sorted by name.

    Only those of *runtime*; with None, those of all runtimes and those that the settings name.
    """
    wanted = _REPOSITORIES_BY_RUNTIME[runtime] if runtime else _repositories(config)
    return sorted(
        ((name, image) for image in images for name in image.names if _repository(name) in wanted),
        key=lambda pair: pair[0],
    )


def write_json(found: Sequence[Named]) -> None:
    """Print the images as a JSON array of objects."""
    json.dump([_record(name, image) for name, image in found], sys.stdout, indent=2)
    sys.stdout.write("\n")


def write_table(found: Sequence[Named]) -> None:
    """Print the images as a table."""
    sys.stdout.write(table([_HEADING, *(_row(name, image) for name, image in found)]))


def _repositories(config: Config) -> set[str | None]:
    named = (config.image, *config.images.values())
    return {*OURS, *(_repository(name) for name in named if name)} - {None}


def _repository(name: str) -> str | None:
    """Return the full name of the repository; None if *name* is not an image reference."""
    try:
        return ImageReference.parse(name).repository
    except ValueError:
        return None


def _record(name: str, image: ImageSummary) -> dict[str, object]:
    return {
        "name": name,
        "id": image.id.removeprefix("sha256:"),
        "created": image.created.isoformat() if image.created else None,
        "size": image.size,
    }


def _row(name: str, image: ImageSummary) -> tuple[str, ...]:
    return printable(name), short_id(image.id), age(image.created), _size(image.size)


def _size(size: int) -> str:
    unit, name = next(((unit, name) for unit, name in _UNITS if size >= unit), (1, "B"))
    return f"{size / unit:.3g} {name}"
