"""Read the base image of a "modelcar", which is copied unchanged from its registry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import httpx2

from ramalama.errors import ModelPullError, ModelPushError, ModelUnsupported
from ramalama.models.http.client import opened
from ramalama.models.http.failures import TRANSIENT_STATUSES, explain
from ramalama.models.transports.oci.client.registry import open_repository
from ramalama.models.transports.oci.layers.content import ContentInterrupted
from ramalama.models.transports.oci.manifests import media_types
from ramalama.models.transports.oci.manifests.classify import is_image
from ramalama.models.transports.oci.manifests.image import LARGEST_CONFIG
from ramalama.models.transports.oci.manifests.index import choose_manifest
from ramalama.models.transports.oci.manifests.manifest import Index, Manifest, parse_manifest
from ramalama.models.transports.oci.manifests.strict_json import parse_object
from ramalama.models.transports.oci.pack import BaseImage, Blob
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ramalama.models.transports.oci.client.registry import Access, RegistryClient
    from ramalama.models.transports.oci.manifests.manifest import Descriptor
    from ramalama_engines import ImageReference

_LATEST = "latest"
_PARTIAL = 206


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteContent:
    """A blob of another registry, which is passed on; a `BlobContent`.

    It is not verified here: the receiver knows its digest, and verifies it.
    """

    registry: RegistryClient
    descriptor: Descriptor

    @property
    def size(self) -> int:
        """The announced size in bytes."""
        return self.descriptor.size

    def blocks(self, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from *first* (included) to *end* (excluded); see `BlobContent`."""
        end = self.size if end is None else end
        whole = (first, end) == (0, self.size)
        blob = self.registry.blob(self.descriptor, name=self.registry.name)
        location = blob.locate()
        headers = {**location.headers, "range": f"bytes={first}-{end - 1}"}
        try:
            with opened(blob.client, "GET", location.url, headers=headers) as response:
                if response.status_code != _PARTIAL and not (whole and response.is_success):
                    raise self._refusal(response.status_code)
                yield from response.iter_raw()
        except httpx2.HTTPError as exc:
            msg = f"{self.registry.name} does not send {self.descriptor.digest}: {explain(exc)}"
            raise ContentInterrupted(msg) from exc

    def _refusal(self, status: int) -> ModelPushError:
        error = ContentInterrupted if status in TRANSIENT_STATUSES else ModelPushError
        return error(f"{self.registry.name} answered {status} for a layer")


def read_base(reference: ImageReference, access: Access) -> BaseImage:
    """Read the configuration and layers of the image *reference*, for this machine's platform.

    Raises:
        ModelUnsupported: it is not an image that can be run.
        ModelPullError: it cannot be pulled, or is not valid.
    """
    registry = open_repository(reference, access)
    manifest = _manifest(registry, reference.digest or reference.tag or _LATEST)
    name = reference.format()
    if not is_image(manifest):
        msg = f"{name} is not an image that can be the base of a car"
        raise ModelUnsupported(msg)
    content = registry.read_blob(manifest.config, limit=LARGEST_CONFIG)
    try:
        config = parse_object(content)
    except ValueError as exc:
        msg = f"the configuration of {name} is not valid: {exc}"
        raise ModelPullError(msg) from exc
    if _layer_count(config) != len(manifest.layers):
        msg = f"the configuration of {name} does not match its layers"
        raise ModelPullError(msg)
    layers = (_layer(registry, descriptor) for descriptor in manifest.layers)
    return BaseImage(config=config, layers=tuple(layers))


def _manifest(registry: RegistryClient, version: str) -> Manifest:
    found = parse_manifest(registry.manifest(version).content, name=registry.name)
    if isinstance(found, Index):
        chosen = choose_manifest(found, name=registry.name)
        content = registry.manifest(str(chosen.digest)).content
        found = parse_manifest(content, name=registry.name)
    if isinstance(found, Index):
        msg = f"{registry.name} is an index of indexes"
        raise ModelUnsupported(msg)
    return found


def _layer_count(config: Mapping[str, object]) -> int:
    rootfs = config.get("rootfs")
    ids = rootfs.get("diff_ids") if is_object(rootfs) else None
    return len(ids) if is_array(ids) else 0


def _layer(registry: RegistryClient, found: Descriptor) -> Blob:
    """Describe a layer by OCI's media type; Docker's ``.tar.gzip`` is OCI's ``.tar+gzip``."""
    descriptor = replace(found, annotations={})
    if found.media_type.startswith(media_types.DOCKER_LAYER):
        form = found.media_type.rpartition(".tar")[2].replace(".", "+")
        descriptor = replace(descriptor, media_type=f"{media_types.OCI_LAYER}v1.tar{form}")
    content = RemoteContent(registry=registry, descriptor=descriptor)
    return Blob(name=f"layer of {registry.name}", descriptor=descriptor, content=content)
