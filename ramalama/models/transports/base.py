"""The interface of a transport, and its result: the files of a model and where their bytes are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ramalama.models.formats.file_names import check_together, checked_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.models.download.values import RemoteBlob
    from ramalama.models.formats.kinds import FileKind
    from ramalama.models.options import ModelFormat
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.transports.context import OpenClient, TransportContext
    from ramalama.models.transports.selection.request import Variant


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
