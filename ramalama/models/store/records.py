"""The record that the store keeps of a model."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.model_files import check_together, checked_name
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ramalama.models.formats.model_files import Digest, FileKind
    from ramalama.models.reference.reference import ModelRef


@frozen()
class StoredFile:
    """A file of a model in the store.

    Attributes:
        name: relative path within the model, with "/"; see `checked_name`.
        digest: of its content, computed or verified by RamaLama.
        size: in bytes.
    """

    name: str
    kind: FileKind
    digest: Digest
    size: int

    def __post_init__(self) -> None:
        """Reject a name that would escape its directory; raise ModelUnsupported."""
        checked_name(self.name)


@frozen()
class ModelRecord:
    """A model that is complete in the store.

    Attributes:
        files: in the order in which a server loads them; their names can coexist in one directory.
        pulled: when it was completed; in UTC, with a time zone.
        revision: its version at the source: a commit, or the digest of a manifest.
        extra: other information of its source, by the transport's names.
    """

    reference: ModelRef
    files: tuple[StoredFile, ...]
    pulled: datetime
    revision: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Reject an empty list of files, and conflicting names; raise ModelUnsupported."""
        if not self.files:
            msg = f"{self.reference} has no files"
            raise ModelUnsupported(msg)
        check_together(file.name for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of all its files, including those shared with other models."""
        return sum(file.size for file in self.files)
