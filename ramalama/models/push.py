"""Push a model of this machine to a registry."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import httpx2

from ramalama.errors import InvalidReference, ModelPushError
from ramalama.events import UploadPlanned, UploadProgress, UploadRetrying, ignore
from ramalama.models.files import find_files, model_name
from ramalama.models.http.client import open_http
from ramalama.models.http.failures import TransientError
from ramalama.models.options import PushKind
from ramalama.models.reference.scheme import Scheme
from ramalama.models.transports.oci.client.registry import Access, Purpose, open_repository
from ramalama.models.transports.oci.client.uploads import mount_blob, upload_blob
from ramalama.models.transports.oci.layers.content import ContentInterrupted
from ramalama.models.transports.oci.manifests.media_types import OCI_MANIFEST
from ramalama.models.transports.oci.pack import pack_artifact, pack_image
from ramalama.models.transports.oci.transport import image_reference
from ramalama_engines import ImageReference

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator, Sequence

    from ramalama.events import UploadHook
    from ramalama.models.formats.model_files import Digest
    from ramalama.models.options import PushOptions
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.store import ModelStore
    from ramalama.models.transports.oci.client.registry import RegistryClient
    from ramalama.models.transports.oci.pack import Blob, LocalFile, Package
    from ramalama_engines import InvokingUser

T = TypeVar("T")

_LATEST = "latest"
_EVERY = 0.1  # seconds between two reports of progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """What to push, and where.

    Attributes:
        name: the model's name, for the configuration and for the directory in an image.
        files: the files, in the order in which a server loads them.
        base: the base image of a car; ignored for other kinds.
        source: where the model came from, if that is a registry; if it is the target's registry, it
            has the content already.
    """

    name: str
    files: tuple[LocalFile, ...]
    target: ImageReference
    kind: PushKind
    base: ImageReference | None = None
    source: ImageReference | None = None


def push_model(  # noqa: PLR0913 (the inputs of a push)
    source: ModelRef,
    target: ModelRef,
    options: PushOptions,
    *,
    store: ModelStore,
    user: InvokingUser,
    on_event: UploadHook,
) -> ModelRef:
    """Push a model; see `Models.push`."""
    _ensure_oci(target)
    push = Push(
        name=model_name(source),
        files=find_files(source, store),
        target=image_reference(target),
        kind=options.kind,
        base=_parse_base(options.base) if options.kind is PushKind.CAR else None,
        source=image_reference(source) if source.scheme is Scheme.OCI else None,
    )
    with store.using(), _registries(user, options) as access:
        digest = Pusher(access, on_event=on_event).push(push)
    return replace(target, tag=str(digest))


def push_package(
    package: Package,
    target: ModelRef,
    options: PushOptions,
    *,
    user: InvokingUser,
    on_event: UploadHook,
) -> ModelRef:
    """Push an image that was packed here; return its reference there, by digest.

    Raises:
        InvalidReference, ModelPushError, AccessDenied: as in `Models.push`.
    """
    _ensure_oci(target)
    with _registries(user, options) as access:
        digest = Pusher(access, on_event=on_event).send(package, image_reference(target))
    return replace(target, tag=str(digest))


def _ensure_oci(target: ModelRef) -> None:
    if target.scheme is not Scheme.OCI:
        msg = f"{target} is not in an OCI registry; what is pushed goes to oci://HOST/NAME:TAG"
        raise InvalidReference(msg)


@contextmanager
def _registries(user: InvokingUser, options: PushOptions) -> Generator[Access]:
    with ExitStack() as clients:

        def open_and_keep(*, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
            return clients.enter_context(open_http(verify=verify))

        yield Access(
            open_http=open_and_keep,
            user=user,
            tls_verify=options.tls_verify,
            authfile=options.authfile,
        )


def _parse_base(text: str) -> ImageReference:
    try:
        return ImageReference.parse(text)
    except ValueError as exc:
        raise InvalidReference(str(exc)) from exc


class Pusher:
    """Pushes models to OCI registries; content that a registry has already is not sent again."""

    def __init__(self, access: Access, *, on_event: UploadHook = ignore) -> None:
        self._access = access
        self._on_event = on_event

    def push(self, push: Push) -> Digest:
        """Send everything, the manifest last, and return the digest of the manifest.

        After a failure, another call sends the blobs that are missing.

        Raises:
            ModelPushError: the registry does not accept the model, or a file has changed meanwhile.
            AccessDenied: the registry requires other credentials. ModelPullError, ModelUnsupported:
            the base image of a car cannot be pulled, or is unsuitable.
        """
        _ensure_tag(push.target)
        return self.send(self._pack(push), push.target, _same_registry(push))

    def send(
        self, package: Package, target: ImageReference, elsewhere: Sequence[str] = ()
    ) -> Digest:
        """Send *package*; the repositories *elsewhere* in the registry may have some of it.

        The rest is as in `push`.
        """
        _ensure_tag(target)
        registry = open_repository(target, self._access, purpose=Purpose.PUSH, mount_from=elsewhere)
        missing = _missing(package, registry, elsewhere)
        self._on_event(_plan(target, package, missing))
        for blob in missing:
            self._upload(registry, blob)
        return self._with_retries(
            "manifest",
            lambda: registry.put_manifest(
                target.tag or _LATEST, package.manifest, media_type=OCI_MANIFEST
            ),
        )

    def _pack(self, push: Push) -> Package:
        if push.kind is PushKind.ARTIFACT:
            return pack_artifact(push.name, push.files)
        if push.kind is PushKind.RAW:
            return pack_image(push.kind, push.name, push.files)
        from ramalama.models.transports.oci.base_image import (  # noqa: PLC0415 (cars alone)
            read_base,
        )

        if push.base is None:
            msg = "a car needs a base image, but none was named"
            raise ModelPushError(msg)
        return pack_image(push.kind, push.name, push.files, read_base(push.base, self._access))

    def _upload(self, registry: RegistryClient, blob: Blob) -> None:
        def once() -> None:
            meter = _Meter(blob, self._on_event)
            upload_blob(registry, blob.content, blob.descriptor.digest, on_bytes=meter.count)

        self._with_retries(blob.name, once)

    def _with_retries(self, name: str, act: Callable[[], T]) -> T:
        """Call *act*, and repeat the call after transient errors."""

        def once() -> T:
            try:
                return act()
            except ModelPushError as exc:
                if (failure := _as_transient(exc)) is None:
                    raise
                raise failure from exc

        def tell(failure: TransientError, seconds: float) -> None:
            self._on_event(UploadRetrying(name, str(failure), seconds))

        try:
            return self._access.retry_policy.retrying(tell)(once)
        except TransientError as exc:
            msg = f"{exc}; push again to send the rest"
            raise ModelPushError(msg) from exc


class _Meter:
    """Counts the bytes of one blob that were sent, and reports them now and then."""

    def __init__(self, blob: Blob, on_event: UploadHook) -> None:
        self._blob = blob
        self._on_event = on_event
        self._done = 0
        self._reported = 0.0

    def count(self, sent: int) -> None:
        """Add *sent* more bytes."""
        total = self._blob.content.size
        self._done = min(self._done + sent, total)
        now = time.monotonic()
        if self._done == total or now >= self._reported + _EVERY:
            self._reported = now
            self._on_event(UploadProgress(self._blob.name, self._done, total))


def _as_transient(error: ModelPushError) -> TransientError | None:
    """Return *error* as a transient error if another attempt may succeed; None if not."""
    match error, error.__cause__:
        case _, TransientError(pause=pause):
            return TransientError(str(error), pause=pause)
        case ContentInterrupted(), _:
            return TransientError(str(error))
        case _, httpx2.NetworkError() | httpx2.TimeoutException() | httpx2.RemoteProtocolError():
            return TransientError(str(error))
        case _:
            return None


def _same_registry(push: Push) -> Sequence[str]:
    """Return the repositories of the target's registry that may have some of the content."""
    return [
        other.path
        for other in (push.source, push.base)
        if other and other.domain == push.target.domain and other.path != push.target.path
    ]


def _missing(
    package: Package, registry: RegistryClient, elsewhere: Sequence[str]
) -> Sequence[Blob]:
    """Return the blobs that the registry lacks, even in the repositories *elsewhere*."""

    def is_there(digest: Digest) -> bool:
        return registry.has_blob(digest) or any(
            mount_blob(registry, digest, source=path) for path in elsewhere
        )

    unique = {blob.descriptor.digest: blob for blob in package.blobs}
    return [blob for digest, blob in unique.items() if not is_there(digest)]


def _ensure_tag(target: ImageReference) -> None:
    if target.digest:
        msg = f"{target.format()} names a digest, but a push needs a tag"
        raise ModelPushError(msg)


def _plan(target: ImageReference, package: Package, missing: Sequence[Blob]) -> UploadPlanned:
    return UploadPlanned(
        target=target.format(),
        files=len(missing),
        size=sum(blob.content.size for blob in package.blobs),
        missing=sum(blob.content.size for blob in missing),
    )
