"""Describe what to download, and what was downloaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import httpx2

    from ramalama.models.formats.model_files import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A request that a server answers with the bytes of a blob.

    Attributes:
        url: may redirect, even to another host.
        headers: only for the host of *url*; may hold a secret.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteBlob:
    """A blob at a server.

    Attributes:
        name: the name for messages.
        identity: identifies the content, whatever its current URL is; a partial file of the same
            identity is the beginning of the same bytes. It is the digest if that is known, or else
            a URL without secrets and, if the server has one, its version (ETag).
        size: in bytes; None if only the response will tell.
        digest: None if it is not known; then the bytes cannot be verified, only counted.
        locate: returns the location to request; called again when it has expired (a signed URL or a
            token).
        client: sends the requests.
        check: gets the first bytes as soon as they arrive, up to a quarter of a megabyte; an
            exception of it ends the download.
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
    """A complete file that is not published yet; publishing moves it."""

    path: Path
    digest: Digest
    size: int


class BlobStore(Protocol):
    """A store of complete files, each content once."""

    def find(self, digest: Digest) -> Path | None:
        """Return the path of the content of *digest*; None if it is not in the store."""
        ...

    def put(self, fetched: FetchedBlob) -> Path:
        """Move a complete file into the store, atomically, and return its new path."""
        ...
