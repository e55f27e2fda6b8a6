"""What the store writes down of a model."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.file_names import check_together, checked_name
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ramalama.models.formats.digest import Digest
    from ramalama.models.formats.kinds import FileKind
    from ramalama.models.reference.reference import ModelRef


@frozen()
class StoredFile:
    """A file of a model in the store.

    Attributes:
        name: relative path within the model, with "/"; see `checked_name`.
        digest: of its content, computed or verified by us.
        size: in bytes.
    """

    name: str
    kind: FileKind
    digest: Digest
    size: int

    def __post_init__(self) -> None:
        """Refuse a name that would escape; raises ModelUnsupported."""
        checked_name(self.name)


@frozen()
class ModelRecord:
    """A model that is complete in the store.

    Attributes:
        files: in the order in which a server wants them; their names can lie in one directory.
        pulled: when it was complete; aware, UTC.
        revision: what pinned it at its source: a commit, a manifest's digest.
        extra: what else its source told, by names of the transport's.
    """

    reference: ModelRef
    files: tuple[StoredFile, ...]
    pulled: datetime
    revision: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Refuse no files, and names of which one would hide another; raises ModelUnsupported."""
        if not self.files:
            msg = f"{self.reference} has no files"
            raise ModelUnsupported(msg)
        check_together(file.name for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of all its files, shared with other models or not."""
        return sum(file.size for file in self.files)
