"""What a hub, or a directory, says that it has."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.digest import Digest
from ramalama.models.formats.file_names import checked_name

if TYPE_CHECKING:
    from typing import Self

_LARGEST = 2**50  # bytes; no disk takes more
_OID_DIGITS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """A file of a repository.

    Attributes:
        path: relative, with "/"; see `checked_name`.
        size: in bytes.
        sha256: of its content; None where nobody tells.
        oid: what Git calls it, a SHA-1 in hexadecimal; None as above.
    """

    path: str
    size: int
    sha256: Digest | None = None
    oid: str | None = None

    @classmethod
    def parse(
        cls, *, path: object, size: object, sha256: object = None, oid: object = None
    ) -> Self | None:
        """Read what a server says of a file; None for a name that no file of a model may have.

        That is no reason to refuse the rest: a README may be called anything.

        Raises:
            ValueError: it makes no sense.
        """
        if not isinstance(path, str) or not _is_storable(path):
            return None
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST:
            msg = f"the size of {path} is none"
            raise ValueError(msg)
        return cls(
            path=path,
            size=size,
            sha256=Digest.parse(sha256) if isinstance(sha256, str) and sha256 else None,
            oid=oid.lower() if isinstance(oid, str) and len(oid) == _OID_DIGITS else None,
        )

    def has(self, content: bytes) -> bool:
        """Tell whether *content* is what was announced, by the best name that it was given."""
        if self.sha256:
            return Digest(hashlib.sha256(content).hexdigest()) == self.sha256
        if self.oid:
            return _git_oid(content) == self.oid
        return len(content) == self.size

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]


def _is_storable(path: str) -> bool:
    try:
        checked_name(path)
    except ModelUnsupported:
        return False
    return True


def _git_oid(content: bytes) -> str:
    """Name *content* as Git does; git-hash-object(1)."""
    digest = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()
