"""Find models in Ollama's registry, and in others with the same protocol.

    GET /v2/NAMESPACE/NAME/manifests/TAG       a Docker manifest with layers of Ollama's own types
    GET /v2/NAMESPACE/NAME/blobs/DIGEST        redirects to a signed URL at another host

Sources: Ollama's packages server and types/model; the distribution protocol.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

from ramalama.errors import ModelPullError, ModelUnsupported, UnknownModel
from ramalama.models.download.values import Location, RemoteBlob
from ramalama.models.formats.model_files import Digest, FileKind
from ramalama.models.http.client import ask_server
from ramalama.models.http.failures import DEFAULT_RETRY_POLICY, server_of
from ramalama.models.transports.base import RemoteFile, RemoteModel
from ramalama.models.transports.oci.manifests.manifest import (
    LARGEST_MANIFEST,
    Index,
    parse_manifest,
)
from ramalama.models.transports.oci.manifests.media_types import ACCEPT, OLLAMA
from ramalama.models.transports.oci.manifests.strict_json import parse_object
from ramalama.models.transports.ollama.refusals import check_loadable, refusal, where_to_look

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    import httpx2

    from ramalama.models.http.client import HttpAnswer
    from ramalama.models.http.failures import RetryPolicy
    from ramalama.models.options import ModelFormat
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.transports.base import OpenClient, TransportContext
    from ramalama.models.transports.oci.manifests.manifest import Descriptor, Manifest

REGISTRY = "https://registry.ollama.ai"

_LATEST = "latest"
_LARGEST_CONFIG = 1024 * 1024  # bytes; real ones have about 500
_NOT_FOUND = 404

# The purpose of each type of layer, and the end of its file's name; other types are skipped.
_KINDS = {
    f"{OLLAMA}model": (FileKind.GGUF, ".gguf"),
    f"{OLLAMA}projector": (FileKind.PROJECTOR, "-mmproj.gguf"),
    f"{OLLAMA}adapter": (FileKind.ADAPTER, "-adapter.gguf"),
    f"{OLLAMA}draft": (FileKind.DRAFT, "-draft.gguf"),
    f"{OLLAMA}template": (FileKind.GO_TEMPLATE, "-template.txt"),
    f"{OLLAMA}prompt": (FileKind.GO_TEMPLATE, "-template.txt"),
    f"{OLLAMA}system": (FileKind.SYSTEM, "-system.txt"),
    f"{OLLAMA}params": (FileKind.PARAMETERS, "-params.json"),
    f"{OLLAMA}messages": (FileKind.MESSAGES, "-messages.json"),
    f"{OLLAMA}license": (FileKind.LICENSE, "-license.txt"),
}


class OllamaTransport:
    """Finds public models; other models of Ollama's need an account and are not supported.

    *registry* is used for references without a host.
    """

    def __init__(
        self,
        *,
        client: httpx2.Client,
        registry: str = REGISTRY,
        retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY,
    ) -> None:
        self._client = client
        self._registry = registry
        self._retry_policy = retry_policy

    @classmethod
    def open(cls, context: TransportContext, open_client: OpenClient) -> Self:
        """Return a transport for one call; see `OpenableTransport.open`."""
        return cls(client=open_client(), retry_policy=context.retry_policy)

    def find(self, reference: ModelRef, wanted: ModelFormat) -> RemoteModel:  # noqa: ARG002 (there is only GGUF)
        """Read the manifest; see `Transport.find`."""
        repository = self._repository(reference)
        answer = self._manifest(repository, reference)
        manifest = parse_manifest(answer.body, name=str(reference))
        if isinstance(manifest, Index):
            msg = f"{reference} is a list of images, not a model of Ollama's"
            raise ModelUnsupported(msg)
        check_loadable(manifest, self._config(repository, manifest.config, reference), reference)
        return RemoteModel(
            reference=reference,
            revision=str(_digest(answer.body)),
            files=tuple(self._files(repository, manifest, reference)),
        )

    def _repository(self, reference: ModelRef) -> _Repository:
        *host, namespace, name = reference.location.split("/")
        if not host:
            return _Repository(registry=self._registry, path=f"{namespace}/{name}")
        scheme = "http" if _is_loopback(host[0]) else "https"
        return _Repository(registry=f"{scheme}://{host[0]}", path=f"{namespace}/{name}")

    def _manifest(self, repository: _Repository, reference: ModelRef) -> HttpAnswer:
        answer = self._ask_manifest(repository, reference.tag)
        if answer.status == _NOT_FOUND:
            raise self._unknown(repository, reference)
        if not answer.ok:
            raise refusal(answer, repository.host, reference)
        return answer

    def _ask_manifest(self, repository: _Repository, tag: str) -> HttpAnswer:
        url = f"{repository.url}/manifests/{tag}"
        return self._ask(url, accept=ACCEPT, limit=LARGEST_MANIFEST)

    def _ask(self, url: str, *, accept: str = "*/*", limit: int) -> HttpAnswer:
        return ask_server(
            self._client, url, accept=accept, limit=limit, retry_policy=self._retry_policy
        )

    def _unknown(self, repository: _Repository, reference: ModelRef) -> UnknownModel:
        """Find out what exists instead: such registries list neither tags nor names."""
        said = f"{repository.host} has no {repository.path}:{reference.tag}"
        ours = repository.registry == REGISTRY
        latest = replace(reference, tag=_LATEST)
        if reference != latest and self._ask_manifest(repository, _LATEST).ok:
            page = f"; https://ollama.com/{repository.path}/tags lists them" if ours else ""
            return UnknownModel(f"{said}, but other tags{page}", alternatives=(str(latest),))
        return UnknownModel(f"{said}{where_to_look(repository.path) if ours else ''}")

    def _config(
        self, repository: _Repository, config: Descriptor, reference: ModelRef
    ) -> Mapping[str, object]:
        if config.size > _LARGEST_CONFIG:
            msg = f"the configuration of {reference} has {config.size} bytes, which is too many"
            raise ModelPullError(msg)
        answer = self._ask(repository.blob_url(config.digest), limit=_LARGEST_CONFIG)
        if not answer.ok:
            raise refusal(answer, repository.host, reference)
        if (found := _digest(answer.body)) != config.digest:
            msg = f"{repository.host} sent {found} instead of {config.digest}"
            raise ModelPullError(msg)
        try:
            return parse_object(answer.body)
        except ValueError as exc:
            msg = f"the configuration of {reference} is not valid: {exc}"
            raise ModelPullError(msg) from exc

    def _files(
        self, repository: _Repository, manifest: Manifest, reference: ModelRef
    ) -> Iterator[RemoteFile]:
        stem = f"{repository.path.partition('/')[2]}-{reference.tag}"
        seen: dict[str, int] = {}
        for layer in manifest.layers:
            if layer.media_type not in _KINDS:
                continue
            kind, ending = _KINDS[layer.media_type]
            number = seen[ending] = seen.get(ending, 0) + 1
            name = f"{stem}{ending}" if number == 1 else _numbered(stem, ending, number)
            yield RemoteFile(name=name, kind=kind, blob=self._blob(repository, layer, name))

    def _blob(self, repository: _Repository, layer: Descriptor, name: str) -> RemoteBlob:
        url = repository.blob_url(layer.digest)
        return RemoteBlob(
            name=name,
            identity=str(layer.digest),
            size=layer.size,
            digest=layer.digest,
            locate=lambda: Location(url=url),
            client=self._client,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repository:
    """The repository of one model, with its tags.

    Attributes:
        registry: its URL without a slash at the end.
        path: ``namespace/name``.
    """

    registry: str
    path: str

    @property
    def url(self) -> str:
        return f"{self.registry}/v2/{self.path}"

    @property
    def host(self) -> str:
        return server_of(self.registry)

    def blob_url(self, digest: Digest) -> str:
        return f"{self.url}/blobs/{digest}"


def _is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost"


def _numbered(stem: str, ending: str, number: int) -> str:
    start, dot, suffix = ending.rpartition(".")
    return f"{stem}{start}-{number}{dot}{suffix}"


def _digest(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())
