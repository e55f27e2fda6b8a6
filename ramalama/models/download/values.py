"""What is to be fetched, and what came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import httpx2

    from ramalama.models.formats.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A request that a server answers with the bytes.

    Attributes:
        url: may redirect, also to another host.
        headers: meant for the host of *url* alone; may hold a secret.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteBlob:
    """Some bytes at a server.

    Attributes:
        name: for people.
        identity: what is fetched, whatever URL it has today; a partial file of the same identity
            is the beginning of the same bytes. The digest where it is known, else a URL without
            secrets and, if the server has one, its version (ETag).
        size: in bytes; None where only the answer will tell.
        digest: None where nobody announces it; then the bytes cannot be verified, only counted.
        locate: says where to ask; called again when the answer is no longer taken (a signed URL
            or a token has expired).
        client: asks.
        check: is shown the first bytes as soon as they are here, up to a quarter of a megabyte;
            what it raises ends the download, before more comes of what is of no use.
    """

    name: str
    identity: str
    size: int | None
    digest: Digest | None
    locate: Callable[[], Location] = field(repr=False)
    client: httpx2.Client = field(repr=False)
    check: Callable[[bytes], None] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedBlob:
    """A complete file that has not been published yet; whoever publishes it moves it away."""

    path: Path
    digest: Digest
    size: int


class BlobStore(Protocol):
    """Where complete files are kept, each content once."""

    def find(self, digest: Digest) -> Path | None:
        """Return where the content of *digest* is, None if it is not here."""
        ...

    def put(self, fetched: FetchedBlob) -> Path:
        """Move a complete file in, atomically, and return where it is now."""
        ...
