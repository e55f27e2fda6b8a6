"""The interface of a transport: what a call gives it, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from ramalama.models.formats.gguf import check_beginning
from ramalama.models.formats.model_files import WEIGHTS, FileKind, check_together, checked_name
from ramalama.models.formats.safetensors import header_length

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import httpx2

    from ramalama.models.download.values import RemoteBlob
    from ramalama.models.http.failures import RetryPolicy
    from ramalama.models.options import ModelFormat
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.transports.selection.request import Variant
    from ramalama_engines.user import InvokingUser


def _ignore_retry(reason: str, seconds: float) -> None:
    """Do nothing before a retry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportContext:
    """The user, and how servers may be used.

    Attributes:
        user: the user, with the environment, which holds tokens and the addresses of mirrors.
        tls_verify: False accepts any certificate of an OCI registry, and a registry without TLS.
        authfile: the file with credentials for OCI registries, instead of the default files.
        offline: do not use the network.
        on_retry: called before each retry with the reason and the pause in seconds.
    """

    user: InvokingUser
    tls_verify: bool = True
    authfile: Path | None = None
    offline: bool = False
    on_retry: Callable[[str, float], None] = field(default=_ignore_retry, repr=False)

    @property
    def retry_policy(self) -> RetryPolicy:
        """How often a server is asked again."""
        from ramalama.models.http.failures import RetryPolicy  # noqa: PLC0415 (it imports httpx2)

        return RetryPolicy(tell=self.on_retry)

    @property
    def env(self) -> Mapping[str, str]:
        """The environment variables."""
        return self.user.env

    @property
    def home(self) -> Path:
        """The user's home directory."""
        return self.user.home


class OpenClient(Protocol):
    """Opens a client, which is closed with the transport; see `open_http`."""

    def __call__(self, *, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
        """Return a new client."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file of a model.

    Attributes:
        name: relative path within the model, with "/"; see `checked_name`.
        kind: its purpose for the server.
        blob: its content.
    """

    name: str
    kind: FileKind
    blob: RemoteBlob

    def __post_init__(self) -> None:
        """Reject a name that would escape its directory; raise ModelUnsupported."""
        checked_name(self.name)

    @property
    def checked_blob(self) -> RemoteBlob:
        """The blob, with a check that ends the download if no server can load the file."""
        match self.kind:
            case FileKind.GGUF:
                return replace(self.blob, check=self._check_gguf)
            case FileKind.SAFETENSORS:
                return replace(self.blob, check=self._check_safetensors)
            case _:
                return self.blob

    def _check_gguf(self, head: bytes) -> None:
        check_beginning(head, name=self.name)

    def _check_safetensors(self, head: bytes) -> None:
        header_length(head, name=self.name, size=self.blob.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteArchive:
    """A layer of an OCI image that contains files of a model: a tar, perhaps compressed.

    Attributes:
        blob: the layer.
        prefix: the path in the archive below which the model's files are, ``models/``.
    """

    blob: RemoteBlob
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteModel:
    """All files of one version of a model; it does not change while it is downloaded.

    Attributes:
        reference: the reference that was requested.
        revision: its version, for messages and for a later comparison: a commit, or the digest of a
            manifest; None if the server has no versions.
        files: in the order in which a server loads them; a split model's first part first.
        archives: layers to unpack, in order; only OCI images have them.
        variants: the other variants in its repository, such as other quantisations.
    """

    reference: ModelRef
    revision: str | None
    files: Sequence[RemoteFile]
    archives: Sequence[RemoteArchive] = ()
    variants: Sequence[Variant] = ()

    def __post_init__(self) -> None:
        """Reject conflicting names of files; raise ModelUnsupported."""
        check_together(file.name for file in self.files)

    @property
    def weights_size(self) -> int:
        """The sum of the sizes of the weights, in bytes, as far as they are known."""
        return sum(file.blob.size or 0 for file in self.files if file.kind in WEIGHTS)


class Transport(Protocol):
    """Finds models of one scheme.

    Only small answers (manifests, lists) are read here, all with a size limit. Answers of servers
    are not trusted. Every method raises only `ramalama.errors.ModelError`.
    """

    def find(self, reference: ModelRef, wanted: ModelFormat) -> RemoteModel:
        """Return the files that *reference* has now, in the format *wanted* if it has several.

        Raises:
            UnknownModel: there is no such model; the message says which there are instead.
            AccessDenied: it needs a password, a token, or the acceptance of a licence.
            ModelUnsupported: it exists, but no supported server can run it.
            ModelPullError: the server cannot be reached, or its answer is not valid.
        """
        ...


class OpenableTransport(Transport, Protocol):
    """A transport class of `ramalama.models.transports.TRANSPORTS`, with its constructor `open`."""

    @classmethod
    def open(cls, context: TransportContext, open_client: OpenClient) -> Transport:
        """Return a transport for one call; *open_client* makes clients that are closed after it."""
        ...
