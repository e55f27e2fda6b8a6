"""Models as various tools describe them to OCI registries, made up and tiny."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx2

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
IMAGE_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
MODELPACK: Final = "application/vnd.cncf.model.manifest.v1+json"
MODELPACK_CONFIG: Final = "application/vnd.cncf.model.config.v1+json"
DMR_CONFIG: Final = "application/vnd.docker.ai.model.config.v0.1+json"
IMAGE_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"

FILEPATH: Final = "org.cncf.model.filepath"
TITLE: Final = "org.opencontainers.image.title"
RAW_LABEL: Final = {"org.containers.type": "ai.image.model.raw"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Some bytes, and what is said of them."""

    type: str
    content: bytes
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])

    def describe(self) -> dict[str, object]:
        """Return its descriptor."""
        described: dict[str, object] = {
            "mediaType": self.type,
            "digest": digest(self.content),
            "size": len(self.content),
        }
        return {**described, "annotations": self.annotations} if self.annotations else described


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A manifest or an index, and the blobs that it needs."""

    manifest: bytes
    type: str = OCI_MANIFEST
    blobs: tuple[bytes, ...] = ()


def make_model(
    layers: Sequence[Layer],
    *,
    config: Layer | None = None,
    artifact_type: str = "",
    type_: str = OCI_MANIFEST,
) -> Model:
    """Make a manifest of *layers*; an empty configuration is that of artifacts."""
    config = config or Layer(type=EMPTY, content=b"{}")
    fields: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": type_,
        "config": config.describe(),
        "layers": [layer.describe() for layer in layers],
    }
    if artifact_type:
        fields["artifactType"] = artifact_type
    blobs = (config.content, *(layer.content for layer in layers))
    return Model(manifest=json.dumps(fields).encode(), type=type_, blobs=blobs)


def make_index(*entries: Mapping[str, object]) -> Model:
    """Make an index; an entry is what `describe_manifest` returns."""
    fields = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return Model(manifest=json.dumps(fields).encode(), type=OCI_INDEX)


def describe_manifest(model: Model, **more: object) -> dict[str, object]:
    """Return the descriptor of a manifest, for an index."""
    layer = Layer(type=model.type, content=model.manifest)
    return {**layer.describe(), **more}


def make_image(
    *layers: bytes, labels: Mapping[str, str] | None = None, steps: Sequence[str] = ()
) -> Model:
    """Make an image of tars."""
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": dict(labels or {})},
        "history": [{"created_by": step} for step in steps],
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
    }
    return make_model(
        [Layer(type=IMAGE_LAYER, content=layer) for layer in layers],
        config=Layer(type=IMAGE_CONFIG, content=json.dumps(config).encode()),
    )


def make_tar(files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    """Pack files, and symbolic links by the path that they lead to."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return archive.getvalue()


def put_model(client: httpx2.Client, repository: str, tag: str, model: Model) -> str:
    """Push *model* to a real registry; return the manifest's digest."""
    for blob in model.blobs:
        begun = client.post(f"/v2/{repository}/blobs/uploads/").raise_for_status()
        place = client.build_request("PUT", begun.headers["location"]).url
        where = place.copy_add_param("digest", digest(blob))
        client.put(where, content=blob).raise_for_status()
    client.put(
        f"/v2/{repository}/manifests/{tag}",
        content=model.manifest,
        headers={"content-type": model.type},
    ).raise_for_status()
    return digest(model.manifest)


def digest(content: bytes) -> str:
    """Return ``sha256:HEX``."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
