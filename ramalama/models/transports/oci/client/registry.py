"""Read and write a repository in a registry; OCI distribution specification 1.1.

GET|HEAD /v2/NAME/manifests/TAG|DIGEST       GET|HEAD /v2/NAME/blobs/DIGEST
GET      /v2/NAME/tags/list                  PUT      /v2/NAME/manifests/TAG|DIGEST
GET      /v2/                                         (blobs: `uploads`)
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ramalama.errors import ModelPullError, ModelPushError, UnknownModel
from ramalama.models.download.values import Location, RemoteBlob
from ramalama.models.formats.model_files import Digest
from ramalama.models.http.failures import DEFAULT_RETRY_POLICY
from ramalama.models.transports.oci.client.credentials import FoundCredentials, find_credentials
from ramalama.models.transports.oci.client.failures import translated
from ramalama.models.transports.oci.client.session import Session, find_url
from ramalama.models.transports.oci.client.tls import make_tls
from ramalama.models.transports.oci.client.tokens import Authorizer
from ramalama.models.transports.oci.manifests.manifest import LARGEST_MANIFEST
from ramalama.models.transports.oci.manifests.media_types import ACCEPT
from ramalama.models.transports.oci.manifests.strict_json import parse_object
from ramalama_values.json import is_array

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ramalama.models.http.client import HttpAnswer
    from ramalama.models.http.failures import RetryPolicy
    from ramalama.models.transports.base import OpenClient
    from ramalama.models.transports.oci.manifests.manifest import Descriptor
    from ramalama_engines.image_reference import ImageReference
    from ramalama_engines.user import InvokingUser

_NOT_FOUND = 404
_MOST_TAGS = 1000
_MOST_SHOWN = 5
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"


class Purpose(StrEnum):
    """The intended use of a repository, as the actions of a token's scope."""

    PULL = "pull"
    PUSH = "pull,push"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a user accesses registries.

    Attributes:
        open_http: called once for each registry.
        tls_verify: False accepts any certificate, and a registry without TLS.
        authfile: the file with credentials, instead of the default files.
        retry_policy: for reading; uploads are not repeated.
    """

    open_http: OpenClient
    user: InvokingUser
    tls_verify: bool = True
    authfile: Path | None = None
    retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY


@dataclass(frozen=True, slots=True, kw_only=True)
class RawManifest:
    """A manifest or an index as the registry stores it.

    Attributes:
        content: the original bytes, to which *digest* belongs.
        media_type: the registry's name for it, which may be wrong.
    """

    content: bytes
    media_type: str
    digest: Digest


def open_session(
    domain: str,
    access: Access,
    found: FoundCredentials,
    *,
    scopes: Sequence[str] = (),
    purpose: Purpose = Purpose.PULL,
) -> Session:
    """Return a session with the registry *domain* (``docker.io``, ``localhost:5000``).

    Raises:
        ModelPullError, ModelPushError: depending on *purpose*; see `Session`.
    """
    error = ModelPullError if purpose is Purpose.PULL else ModelPushError
    client = access.open_http(verify=make_tls(domain, access.user, verify=access.tls_verify))
    with translated(domain, found, error):
        url = find_url(domain, client, plain=not access.tls_verify)
    authorizer = Authorizer(
        client, found, scopes=scopes, secure=access.tls_verify, retry_policy=access.retry_policy
    )
    return Session(domain, url, authorizer, error=error)


def open_repository(
    reference: ImageReference,
    access: Access,
    *,
    purpose: Purpose = Purpose.PULL,
    mount_from: Sequence[str] = (),
) -> RegistryClient:
    """Return a client for the repository of *reference*, whose tag and digest are ignored.

    *mount_from* are other repositories of the same registry from which blobs may be mounted.

    Raises:
        ModelError: see `find_credentials` and `open_session`.
    """
    found = find_credentials(reference, access.user, authfile=access.authfile)
    scopes = [
        f"repository:{reference.path}:{purpose}",
        *(f"repository:{path}:{Purpose.PULL}" for path in mount_from),
    ]
    session = open_session(reference.domain, access, found, scopes=scopes, purpose=purpose)
    return RegistryClient(session, reference.path)


class RegistryClient:
    """Reads and writes one repository; it raises the errors of its `Session`."""

    def __init__(self, session: Session, path: str) -> None:
        self.session = session
        self.path = path

    @property
    def name(self) -> str:
        """The full name of the repository, ``quay.io/org/model``."""
        return f"{self.session.domain}/{self.path}"

    def manifest(self, version: str, *, accept: str = ACCEPT) -> RawManifest:
        """Return the manifest or index that *version*, a tag or a digest, names now.

        Raises:
            UnknownModel: there is none; the alternatives are references with the existing tags.
        """
        path = f"/v2/{self.path}/manifests/{version}"
        answer = self.session.ask(path, accept=accept, limit=LARGEST_MANIFEST)
        if answer.status == _NOT_FOUND:
            raise self._unknown(version)
        if not answer.ok:
            raise self.session.refusal(answer)
        found = RawManifest(
            content=answer.body,
            media_type=answer.headers.get("content-type", "").partition(";")[0].strip(),
            digest=_digest(answer.body),
        )
        self._check_digest(found.digest, version, answer)
        return found

    def blob(self, descriptor: Descriptor, *, name: str) -> RemoteBlob:
        """Describe a blob for the downloader, without sending a request."""
        url = f"{self.session.url}{self._blob_path(descriptor.digest)}"
        return RemoteBlob(
            name=name,
            identity=str(descriptor.digest),
            size=descriptor.size,
            digest=descriptor.digest,
            locate=lambda: Location(url=url, headers=self.session.proof()),
            client=self.session.client,
        )

    def read_blob(self, descriptor: Descriptor, *, limit: int) -> bytes:
        """Return the content of a blob of at most *limit* bytes, verified."""
        if descriptor.size > limit:
            msg = f"{descriptor.digest} in {self.name} is too large: {descriptor.size} bytes"
            raise self.session.error(msg)
        answer = self.session.ask(self._blob_path(descriptor.digest), limit=limit)
        if not answer.ok:
            raise self.session.refusal(answer)
        if (found := _digest(answer.body)) != descriptor.digest:
            msg = f"{self.name} has {found} instead of {descriptor.digest}"
            raise self.session.error(msg)
        return answer.body

    def has_blob(self, digest: Digest) -> bool:
        """Return whether the registry has the blob."""
        answer = self.session.ask(self._blob_path(digest), method="HEAD")
        if answer.ok or answer.status == _NOT_FOUND:
            return answer.ok
        raise self.session.refusal(answer)

    def put_manifest(self, version: str, content: bytes, *, media_type: str) -> Digest:
        """Publish a manifest under a tag or its digest; its blobs must have been pushed before."""
        url = self.session.url.copy_with(path=f"/v2/{self.path}/manifests/{version}")
        headers = {"content-type": media_type}
        answer = self.session.send("PUT", url, content=lambda: content, headers=headers)
        if not answer.ok:
            raise self.session.refusal(answer)
        digest = _digest(content)
        self._check_digest(digest, version, answer)
        return digest

    def tags(self) -> tuple[str, ...]:
        """Return the first tags, at most a thousand; none if the registry does not list them."""
        answer = self.session.ask(f"/v2/{self.path}/tags/list?n={_MOST_TAGS}")
        try:
            tags = parse_object(answer.body).get("tags") if answer.ok else None
        except ValueError:
            tags = None
        if not is_array(tags):
            return ()
        named = [tag for tag in tags if isinstance(tag, str) and re.fullmatch(_TAG, tag)]
        return tuple(named[:_MOST_TAGS])

    def _blob_path(self, digest: Digest) -> str:
        return f"/v2/{self.path}/blobs/{digest}"

    def _unknown(self, version: str) -> UnknownModel:
        separator = "@" if ":" in version else ":"
        tags = _most_alike(version, self.tags())
        there = f"; there are {', '.join(tags[:_MOST_SHOWN])}" if tags else ""
        return UnknownModel(
            f"{self.session.domain} has no {self.path}{separator}{version}{there}",
            alternatives=tuple(f"oci://{self.name}:{tag}" for tag in tags),
        )

    def _check_digest(self, found: Digest, version: str, answer: HttpAnswer) -> None:
        """Reject a manifest whose digest is not the one in *version* or in the answer."""
        announced = answer.headers.get("docker-content-digest", "")
        for expected in (version, announced):
            if expected.startswith("sha256:") and expected != str(found):
                msg = f"{self.name} has {found} instead of {expected}"
                raise self.session.error(msg)


def _most_alike(version: str, tags: Sequence[str]) -> Sequence[str]:
    """Sort *tags* so that those similar to *version* come first."""
    import difflib  # noqa: PLC0415 (few tags are misspelt)

    alike = difflib.get_close_matches(version, tags)
    return [*alike, *sorted(set(tags).difference(alike))]


def _digest(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())
