"""Recognize images that hold a model, before their layers are downloaded.

Upstream RamaLama labels its images (``org.containers.type``). "Modelcars" that other tools have
built are recognized by a build step that puts files into ``/models``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ramalama.models.transports.json_fields import text
from ramalama.models.transports.oci.manifests.strict_json import parse_object
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Mapping

DIRECTORY: Final = "models/"

LARGEST_CONFIG: Final = 1024 * 1024  # bytes
_TYPE = "org.containers.type"
_MODEL = "ai.image.model"
_OTHER_LABELS = ("com.ramalama.model.file.location",)
_INDEXED = "org.cncf.model.model"


def is_annotated(annotations: Mapping[str, str]) -> bool:
    """Return whether the annotations of a manifest or index entry say that it is a model."""
    return annotations.get(_INDEXED) == "true" or annotations.get(_TYPE, "").startswith(_MODEL)


def holds_model(config: bytes) -> bool:
    """Return whether an image with the configuration *config* seems to hold a model.

    Raises:
        ValueError: *config* is not valid.
    """
    fields = parse_object(config)
    settings = fields.get("config")
    labels = settings.get("Labels") if is_object(settings) else None
    if is_object(labels) and (
        text(labels, _TYPE).startswith(_MODEL) or any(name in labels for name in _OTHER_LABELS)
    ):
        return True
    history = fields.get("history")
    steps = history if is_array(history) else ()
    return any(f"/{DIRECTORY.rstrip('/')}" in text(step, "created_by") for step in steps)
