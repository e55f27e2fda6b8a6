"""Parse manifests and indexes; OCI image specification 1.1, and Docker's similar schema 2.

They are not trusted, and they decide what is downloaded. So every field that is used is checked for
its type and size; an object with two fields of the same name is rejected, since programs read
different ones; and so is a manifest that could also be read as an index (CVE-2021-41190). Unknown
fields are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ramalama.errors import ModelPullError
from ramalama.models.formats.model_files import Digest
from ramalama.models.transports.oci.manifests import media_types
from ramalama.models.transports.oci.manifests.strict_json import parse_object
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LARGEST_MANIFEST = 4 * 1024 * 1024  # bytes; registries need not accept more (distribution spec)

_MOST_DESCRIPTORS = 10_000
_LARGEST_BLOB = 64 * 1024**4  # bytes; a hundred times the largest model
_LONGEST_TEXT = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The platform of an image, in Go's words: ``linux``, ``amd64``."""

    os: str
    architecture: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A reference to a blob or another manifest by its digest.

    Attributes:
        media_type: its type; "" if it is not given.
        size: in bytes.
        platform: only in an index.
    """

    media_type: str
    digest: Digest
    size: int
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    platform: Platform | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The parts of an image or an artifact."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A list of manifests, of which one is used."""

    manifests: tuple[Descriptor, ...]
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])


class _InvalidManifest(Exception):
    """The manifest is not valid; the message says why, but not whose it is."""


def parse_manifest(content: bytes, *, name: str) -> Manifest | Index:
    """Parse the manifest or index of *name*; its fields say which of them it is.

    Raises:
        ModelPullError: it is not valid, or is unreasonably large.
    """
    try:
        fields = parse_object(content)
        if "manifests" in fields:
            return _index(fields)
        return _manifest(fields)
    except (_InvalidManifest, ValueError) as exc:
        msg = f"the manifest of {name} is not valid: {exc}"
        raise ModelPullError(msg) from exc


def _manifest(fields: Mapping[str, object]) -> Manifest:
    _check_media_type(fields, (media_types.OCI_MANIFEST, media_types.DOCKER_MANIFEST))
    return Manifest(
        config=_descriptor(fields.get("config"), "config"),
        layers=_descriptors(fields, "layers"),
        artifact_type=_text(fields, "artifactType"),
        annotations=_annotations(fields),
    )


def _index(fields: Mapping[str, object]) -> Index:
    _check_media_type(fields, (media_types.OCI_INDEX, media_types.DOCKER_LIST))
    if "layers" in fields or "config" in fields:
        msg = "it can be read as a manifest and as an index"
        raise _InvalidManifest(msg)
    return Index(
        manifests=_descriptors(fields, "manifests"),
        artifact_type=_text(fields, "artifactType"),
        annotations=_annotations(fields),
    )


def _check_media_type(fields: Mapping[str, object], expected: Sequence[str]) -> None:
    if fields.get("schemaVersion") != 2:  # noqa: PLR2004 (the only current version)
        msg = "its schemaVersion is not 2"
        raise _InvalidManifest(msg)
    if (found := _text(fields, "mediaType")) and found not in expected:
        msg = f"its mediaType is {found[:100]!r}"
        raise _InvalidManifest(msg)


def _descriptors(fields: Mapping[str, object], name: str) -> tuple[Descriptor, ...]:
    entries = fields.get(name)
    if not is_array(entries):
        msg = f"it has no list of {name}"
        raise _InvalidManifest(msg)
    if len(entries) > _MOST_DESCRIPTORS:
        msg = f"it has {len(entries)} {name}"
        raise _InvalidManifest(msg)
    return tuple(_descriptor(entry, f"{name}[{i}]") for i, entry in enumerate(entries))


def _descriptor(value: object, name: str) -> Descriptor:
    if not is_object(value):
        msg = f"its {name} is not an object"
        raise _InvalidManifest(msg)
    size = value.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST_BLOB:
        msg = f"its {name} has an impossible size"
        raise _InvalidManifest(msg)
    try:
        digest = Digest.parse(_text(value, "digest"))
    except ValueError as exc:
        msg = f"its {name} has no SHA-256 digest"
        raise _InvalidManifest(msg) from exc
    return Descriptor(
        media_type=_text(value, "mediaType"),
        digest=digest,
        size=size,
        artifact_type=_text(value, "artifactType"),
        annotations=_annotations(value),
        platform=_platform(value.get("platform")),
    )


def _platform(value: object) -> Platform | None:
    if not is_object(value):
        return None
    return Platform(os=_text(value, "os"), architecture=_text(value, "architecture"))


def _annotations(fields: Mapping[str, object]) -> Mapping[str, str]:
    value = fields.get("annotations")
    if value is None:
        return {}
    if not is_object(value):
        msg = "its annotations are not an object"
        raise _InvalidManifest(msg)
    return {name: _text(value, name) for name in value}


def _text(fields: Mapping[str, object], name: str) -> str:
    """Return a text field; "" if it is missing."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        msg = f"its {name[:100]!r} is not text"
        raise _InvalidManifest(msg)
    return value
