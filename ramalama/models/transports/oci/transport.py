"""Find models in OCI registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import ModelPullError, ModelUnsupported
from ramalama.models.transports.base import RemoteArchive, RemoteFile, RemoteModel
from ramalama.models.transports.oci.client.registry import Access, open_repository
from ramalama.models.transports.oci.manifests import image
from ramalama.models.transports.oci.manifests.classify import Contents, is_image, read_contents
from ramalama.models.transports.oci.manifests.index import choose_manifest
from ramalama.models.transports.oci.manifests.manifest import Index, Manifest, parse_manifest
from ramalama_engines.image_reference import ImageReference

if TYPE_CHECKING:
    from typing import Self

    from ramalama.models.options import ModelFormat
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.transports.base import OpenClient, TransportContext
    from ramalama.models.transports.oci.client.registry import RegistryClient

_MOST_INDEXES = 3  # nested


class OciTransport:
    """Finds models of the scheme ``oci``, whatever tool pushed them; see `classify`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @classmethod
    def open(cls, context: TransportContext, open_client: OpenClient) -> Self:
        """Return a transport for one call; see `OpenableTransport.open`."""
        return cls(
            Access(
                open_http=open_client,
                user=context.user,
                tls_verify=context.tls_verify,
                authfile=context.authfile,
                retry_policy=context.retry_policy,
            )
        )

    def find(self, reference: ModelRef, wanted: ModelFormat) -> RemoteModel:
        """Read the manifest that *reference* names now; see `Transport.find`."""
        registry = open_repository(image_reference(reference), self._access)
        name = str(reference)
        top = registry.manifest(reference.tag)
        manifest, annotated = _resolve(registry, top.content, name)
        if is_image(manifest):
            if not annotated:
                _check_image(registry, manifest, name)
            contents = Contents(files=(), archives=manifest.layers, prefix=image.DIRECTORY)
        else:
            contents = read_contents(manifest, wanted, name=name)
        return RemoteModel(
            reference=reference,
            revision=str(top.digest),
            files=_files(registry, contents),
            archives=_archives(registry, contents),
        )


def image_reference(reference: ModelRef) -> ImageReference:
    """Return the reference as an image reference.

    Raises:
        ModelUnsupported: the name is not valid in a registry.
    """
    separator = "@" if ":" in reference.tag else ":"
    try:
        return ImageReference.parse(f"{reference.location}{separator}{reference.tag}")
    except ValueError as exc:
        raise ModelUnsupported(str(exc)) from exc


def _resolve(registry: RegistryClient, content: bytes, name: str) -> tuple[Manifest, bool]:
    """Follow indexes to a manifest; also return whether one of them is annotated as a model."""
    annotated = False
    for _ in range(_MOST_INDEXES):
        found = parse_manifest(content, name=name)
        annotated |= image.is_annotated(found.annotations)
        if not isinstance(found, Index):
            return found, annotated
        entry = choose_manifest(found, name=name)
        annotated |= image.is_annotated(entry.annotations)
        content = registry.manifest(str(entry.digest)).content
    msg = f"{name} has too many nested indexes"
    raise ModelPullError(msg)


def _check_image(registry: RegistryClient, manifest: Manifest, name: str) -> None:
    """Reject an ordinary image before its layers are downloaded."""
    config = registry.read_blob(manifest.config, limit=image.LARGEST_CONFIG)
    try:
        holds_model = image.holds_model(config)
    except ValueError as exc:
        msg = f"the configuration of {name} is not valid: {exc}"
        raise ModelPullError(msg) from exc
    if not holds_model:
        msg = (
            f"{name} is an image without a model: it has no label org.containers.type, and no "
            "step that puts anything into /models"
        )
        raise ModelUnsupported(msg)


def _files(registry: RegistryClient, contents: Contents) -> tuple[RemoteFile, ...]:
    return tuple(
        RemoteFile(
            name=file.name,
            kind=file.kind,
            blob=registry.blob(file.descriptor, name=file.name),
        )
        for file in contents.files
    )


def _archives(registry: RegistryClient, contents: Contents) -> tuple[RemoteArchive, ...]:
    return tuple(
        RemoteArchive(
            blob=registry.blob(layer, name=f"layer {number}"),
            prefix=contents.prefix,
        )
        for number, layer in enumerate(contents.archives, 1)
    )
