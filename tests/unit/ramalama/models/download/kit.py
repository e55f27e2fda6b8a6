"""A server, a shelf and a downloader with small limits, so that small files show everything."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ramalama.events import DownloadProgress, DownloadRetrying, FileReady
from ramalama.models.download.downloader import Downloader
from ramalama.models.download.limits import Limits
from ramalama.models.download.values import FetchedBlob, Location, RemoteBlob
from ramalama.models.formats.model_files import Digest
from ramalama.models.http.failures import RetryPolicy

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2

    from ramalama.events import Event
    from tests.doubles.server import FileServer

KIB = 1024
SMALL = Limits(
    parallel_from=256 * KIB,
    shortest_piece=64 * KIB,
    longest_piece=64 * KIB,
    smallest_theft=16 * KIB,
    save_after=64 * KIB,
    unsaved=128 * KIB,
    save_every=0.02,
    silence=60.0,
    notice=4 * KIB,
    retry_policy=RetryPolicy(tries=3, first=0.001, longest=30.0),
)

IMPATIENT = replace(SMALL, silence=0.5)
# No stream takes over a part that another stream has requested already.
WITHOUT_THEFT = replace(SMALL, smallest_theft=2**40, most_streams=4)


def made_up_bytes(size: int, seed: int = 0) -> bytes:
    """Return bytes no two pieces of which are alike."""
    return hashlib.shake_256(seed.to_bytes(4)).digest(size)


def digest_of(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())


@dataclass(frozen=True)
class FolderShelf:
    """Keeps files in a folder, under their digests."""

    folder: Path

    def find(self, digest: Digest) -> Path | None:
        path = self.folder / digest.file_name
        return path if path.exists() else None

    def put(self, fetched: FetchedBlob) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(fetched.path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        return fetched.path.rename(self.folder / fetched.digest.file_name)


@dataclass
class Kit:
    """All that a download takes."""

    server: FileServer
    client: httpx2.Client
    directory: Path
    events: list[Event] = field(default_factory=list["Event"])
    threads: set[int] = field(default_factory=set[int])
    located: int = 0

    @property
    def blob_store(self) -> FolderShelf:
        return FolderShelf(self.directory / "shelf")

    @property
    def partial_files(self) -> list[Path]:
        return sorted((self.directory / "partial").glob("*"))

    @property
    def retries(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, DownloadRetrying)]

    @property
    def progress(self) -> list[int]:
        return [event.done for event in self.events if isinstance(event, DownloadProgress)]

    @property
    def ready(self) -> list[str]:
        return [event.file for event in self.events if isinstance(event, FileReady)]

    def watch(self, event: Event) -> None:
        self.threads.add(threading.get_ident())
        self.events.append(event)

    def blob(
        self,
        content: bytes | None = None,
        *,
        path: str = "/blob",
        size: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> RemoteBlob:
        """Describe what is at *path*; without *content* neither digest nor size are announced."""
        url = f"{self.server.url}{path}"

        def locate() -> Location:
            self.located += 1
            return Location(url=url, headers=headers or {})

        digest = None if content is None else digest_of(content)
        return RemoteBlob(
            name=path.removeprefix("/"),
            identity=url if digest is None else str(digest),
            size=size if content is None else len(content),
            digest=digest,
            locate=locate,
            client=self.client,
        )

    def downloader(self, *, streams: int = 4, limits: Limits = SMALL) -> Downloader:
        return Downloader(self.directory, on_event=self.watch, streams=streams, limits=limits)

    def fetch(self, blob: RemoteBlob, *, streams: int = 4, limits: Limits = SMALL) -> FetchedBlob:
        """Fetch it, and make sure that nothing but the file on the shelf is left."""
        fetched = self.downloader(streams=streams, limits=limits).fetch(blob, self.blob_store)
        assert self.partial_files == []
        assert not any(thread.name.startswith("ramalama") for thread in threading.enumerate())
        assert digest_of(fetched.path.read_bytes()) == fetched.digest
        return fetched
