"""The files in the listing of a hub or a directory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.model_files import Digest, checked_name

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
        sha256: of its content; None if it is unknown.
        oid: Git's name for it, a SHA-1 in hexadecimal; None if it is unknown.
    """

    path: str
    size: int
    sha256: Digest | None = None
    oid: str | None = None

    @classmethod
    def parse(
        cls, *, path: object, size: object, sha256: object = None, oid: object = None
    ) -> Self | None:
        """Parse an entry of a server's listing; return None if its name is not a valid path.

        Such a name is no reason to reject the other files: a README may have any name.

        Raises:
            ValueError: the entry is not valid.
        """
        if not isinstance(path, str) or not _is_storable(path):
            return None
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST:
            msg = f"the size of {path} is not valid"
            raise ValueError(msg)
        return cls(
            path=path,
            size=size,
            sha256=Digest.parse(sha256) if isinstance(sha256, str) and sha256 else None,
            oid=oid.lower() if isinstance(oid, str) and len(oid) == _OID_DIGITS else None,
        )

    def has(self, content: bytes) -> bool:
        """Return whether *content* is the listed file, by the best of its known digests."""
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
    """Return Git's name for *content*; git-hash-object(1)."""
    digest = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()
