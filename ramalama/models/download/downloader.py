"""Download blobs into a blob store, each only once, even over several attempts.

DIRECTORY/partial/   see `ramalama.models.download.partial`
DIRECTORY/locks/     a file for each blob; if its digest is unknown before, the file holds it after
                     the download
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ramalama.errors import ModelPullError, ModelUnsupported
from ramalama.events import DownloadRetrying, DownloadWaiting, FileReady, ignore
from ramalama.models.download.job import DownloadMode, Job
from ramalama.models.download.limits import Limits
from ramalama.models.download.partial import Partial, allocated, disk_errors, require_space
from ramalama.models.download.response import StartOver
from ramalama.models.download.source import Source
from ramalama.models.download.transfer import Transfer
from ramalama.models.download.values import FetchedBlob
from ramalama.models.formats.model_files import Digest
from ramalama.system.locks import locked
from ramalama_values.directories import READABLE, make_directories

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from ramalama.events import EventHook
    from ramalama.models.download.values import BlobStore, RemoteBlob

_MOST_BEGINNINGS = 5
_LIMITS = Limits()


class Downloader:
    """Downloads blobs one after the other, each on several connections if that is faster.

    *on_event* is called in the thread that downloads. An interrupted download continues where it
    was; at most `Limits.unsaved` bytes are downloaded twice.
    """

    def __init__(
        self,
        directory: Path,
        *,
        on_event: EventHook = ignore,
        streams: int = 4,
        limits: Limits = _LIMITS,
    ) -> None:
        self._partials = directory / "partial"
        self._locks = directory / "locks"
        self._on_event = on_event
        self._streams = streams
        self._limits = limits

    def fetch_all(
        self, blobs: Sequence[RemoteBlob], blob_store: BlobStore
    ) -> tuple[FetchedBlob, ...]:
        """Download several blobs, in order, if there is space for all of them; see `fetch`."""
        wanted = {_key(blob): blob for blob in blobs if _find(blob.digest, blob_store) is None}
        with disk_errors("these files", self._partials):
            make_directories(self._partials, mode=READABLE)
            there = sum(allocated(self._partials, key) for key in wanted)
            require_space(
                self._partials, sum(blob.size or 0 for blob in wanted.values()), there=there
            )
        return tuple(self.fetch(blob, blob_store) for blob in blobs)

    def fetch(self, blob: RemoteBlob, blob_store: BlobStore) -> FetchedBlob:
        """Download a blob into the store, and return where it is; verify it if its digest is known.

        If another process is downloading it already, wait for that process.

        Raises:
            AccessDenied: the server refuses access.
            ModelPullError: the download failed, or the content is not the expected one.
            StoreError: there is not enough space, or the disk fails.
        """
        if (found := _find(blob.digest, blob_store)) is not None:
            return found
        lock = self._locks / f"{_key(blob)}.lock"
        with self._held(lock, blob.name) as waited:
            digest = blob.digest or (_noted_digest(lock) if waited else None)
            found = _find(digest, blob_store) or self._fetch(blob, blob_store, lock)
        self._on_event(FileReady(file=blob.name, size=found.size))
        return found

    @contextmanager
    def _held(self, lock: Path, name: str) -> Generator[bool]:
        with ExitStack() as held:
            with disk_errors(name, self._partials):
                make_directories(self._partials, mode=READABLE)
                waiting = DownloadWaiting(file=name)
                waited = held.enter_context(locked(lock, on_wait=lambda: self._on_event(waiting)))
            yield waited

    def _fetch(self, blob: RemoteBlob, blob_store: BlobStore, lock: Path) -> FetchedBlob:
        with disk_errors(blob.name, self._partials):
            lock.write_bytes(b"")
            partial = Partial(self._partials, _key(blob))
        try:
            digest = self._complete(blob, partial)
            with disk_errors(blob.name, self._partials, kept=True):
                size = partial.path.stat().st_size
                path = blob_store.put(FetchedBlob(path=partial.path, digest=digest, size=size))
                partial.remove()
                lock.write_text(str(digest))
        finally:
            partial.close()
        return FetchedBlob(path=path, digest=digest, size=size)

    def _complete(self, blob: RemoteBlob, partial: Partial) -> Digest:
        """Download all of a blob into *partial*, from the beginning again if necessary."""
        source = Source(blob.locate)
        mode = DownloadMode(ranges=True, streams=self._streams)
        mismatched = refused = False
        reason = ""
        for left in reversed(range(_MOST_BEGINNINGS)):
            if not left:  # the version of the file may be another one in each response
                mode = DownloadMode(ranges=False, streams=1)
            try:
                digest = self._attempt(blob, partial, source, mode)
            except StartOver as exc:
                reason = str(exc)
                mode = DownloadMode(ranges=mode.ranges and exc.ranges, streams=mode.streams)
            except ModelUnsupported as exc:
                # If a digest is known, the first bytes may have been damaged in transit: try once
                # more.
                if refused or blob.digest is None:
                    raise
                refused, reason = True, str(exc)
            else:
                if blob.digest in {None, digest}:
                    return digest
                reason = f"its digest is {digest} instead of {blob.digest}"
                if mismatched:
                    break
                mismatched = True
                mode = DownloadMode(ranges=mode.ranges, streams=1)
            with disk_errors(blob.name, self._partials):
                partial.clear()
            self._on_event(DownloadRetrying(file=blob.name, reason=reason, seconds=0.0))
        with disk_errors(blob.name, self._partials):
            partial.remove()
        msg = f"{blob.name} cannot be downloaded from {source.host}: {reason}"
        raise ModelPullError(msg)

    def _attempt(
        self, blob: RemoteBlob, partial: Partial, source: Source, mode: DownloadMode
    ) -> Digest:
        with disk_errors(blob.name, self._partials):
            job = Job.prepare(blob, partial, source, mode, self._limits)
        return Transfer(job, self._on_event).run()


def _find(digest: Digest | None, blob_store: BlobStore) -> FetchedBlob | None:
    path = None if digest is None else blob_store.find(digest)
    if digest is None or path is None:
        return None
    return FetchedBlob(path=path, digest=digest, size=path.stat().st_size)


def _key(blob: RemoteBlob) -> str:
    """Return the name of a blob's files; equal for every process that downloads the same blob."""
    if blob.digest is not None:
        return blob.digest.file_name
    return f"url-{hashlib.sha256(blob.identity.encode()).hexdigest()}"


def _noted_digest(lock: Path) -> Digest | None:
    """Return the digest that another process has downloaded; None if it gave up."""
    try:
        return Digest.parse(lock.read_text())
    except ValueError:
        return None
