"""What a transport is, and what it finds: the files of a model and where their bytes are."""

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
        kind: what the server does with it.
        blob: its bytes.
    """

    name: str
    kind: FileKind
    blob: RemoteBlob

    def __post_init__(self) -> None:
        """Refuse a name that would escape; raises ModelUnsupported."""
        checked_name(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteArchive:
    """Files of a model within a layer of an OCI image: a tar, perhaps compressed.

    Attributes:
        blob: the layer.
        prefix: what is below this path in the archive belongs to the model, ``models/``.
    """

    blob: RemoteBlob
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteModel:
    """All of a model at one moment: nothing in it changes while it is fetched.

    Attributes:
        reference: what was asked for.
        revision: what pins it, for people and for a later comparison: a commit, a manifest's
            digest; None where the server has nothing of the kind.
        files: in the order in which a server wants them; a split model's first part first.
        archives: layers to unpack, in their order; only OCI images have them.
        variants: what else its repository has of it, other quantisations.
    """

    reference: ModelRef
    revision: str | None
    files: Sequence[RemoteFile]
    archives: Sequence[RemoteArchive] = ()
    variants: Sequence[Variant] = ()

    def __post_init__(self) -> None:
        """Refuse names of which one would hide another; raises ModelUnsupported."""
        check_together(file.name for file in self.files)


class Transport(Protocol):
    """Finds models of one scheme.

    Only small answers are read here (manifests, listings), and none without a bound. What a server
    says is hostile; every method raises `ramalama.errors.ModelError` and nothing else.
    """

    def find(self, reference: ModelRef, wanted: ModelFormat) -> RemoteModel:
        """Ask which files *reference* has now, in the format *wanted* if there is a choice.

        Raises:
            UnknownModel: there is none of that name; the message says what there is instead.
            AccessDenied: it needs a password, a token or a licence that is accepted first.
            ModelUnsupported: it is there, and nothing of ours can run it.
            ModelPullError: the server cannot be reached, or its answer makes no sense.
        """
        ...


class OpenableTransport(Transport, Protocol):
    """A transport as `ramalama.models.transports.TRANSPORTS` lists it: it makes itself."""

    @classmethod
    def open(cls, context: TransportContext, open_client: OpenClient) -> Transport:
        """Make it for one call; the clients that it opens are closed with it."""
        ...
