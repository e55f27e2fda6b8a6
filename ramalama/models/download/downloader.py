"""Fetches blobs onto a shelf, each at most once, however often it takes.

DIRECTORY/partial/   see `ramalama.models.download.partial`
DIRECTORY/locks/     a file for each blob; one of unknown digest has that in it, once it came
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ramalama.errors import ModelPullError, ModelUnsupported
from ramalama.events import DownloadRetrying, DownloadWaiting, FileReady, ignore
from ramalama.models.download.disk_space import disk_errors, require_space
from ramalama.models.download.job import DownloadMode, Job
from ramalama.models.download.limits import Limits
from ramalama.models.download.partial import Partial, allocated
from ramalama.models.download.response import StartOver
from ramalama.models.download.source import Source
from ramalama.models.download.transfer import Transfer
from ramalama.models.download.values import FetchedBlob
from ramalama.models.formats.digest import Digest
from ramalama.system.locks import locked

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from ramalama.events import EventHook
    from ramalama.models.download.values import BlobStore, RemoteBlob

_MOST_BEGINNINGS = 5
_LIMITS = Limits()


class Downloader:
    """Fetches blobs; one at a time, each on several connections where that is faster.

    *on_event* is called in the thread that fetches. A download that was interrupted, by whatever,
    goes on where it was; `Limits.unsaved` bytes may come twice.
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
        """Fetch several blobs, in order, if there is room for all of them; else as `fetch`."""
        wanted = {_key(blob): blob for blob in blobs if _find(blob.digest, blob_store) is None}
        with disk_errors("these files", self._partials):
            self._partials.mkdir(parents=True, exist_ok=True)
            there = sum(allocated(self._partials, key) for key in wanted)
            require_space(
                self._partials, sum(blob.size or 0 for blob in wanted.values()), there=there
            )
        return tuple(self.fetch(blob, blob_store) for blob in blobs)

    def fetch(self, blob: RemoteBlob, blob_store: BlobStore) -> FetchedBlob:
        """Get a blob onto the shelf, verified if its digest is known, and say where it is there.

        Another process that fetches it already is waited for.

        Raises:
            AccessDenied: its server does not let us have it.
            ModelPullError: it cannot be fetched, or is not what was announced.
            StoreError: there is no room for it, or the disk fails.
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
                self._partials.mkdir(parents=True, exist_ok=True)
                waiting = DownloadWaiting(file=name)
                waited = held.enter_context(locked(lock, on_wait=lambda: self._on_event(waiting)))
            yield waited

    def _fetch(self, blob: RemoteBlob, blob_store: BlobStore, lock: Path) -> FetchedBlob:
        with disk_errors(blob.name, self._partials):
            lock.write_bytes(b"")
            partial = Partial(self._partials, _key(blob))
        try:
            digest = self._complete(blob, partial)
            with disk_errors(blob.name, self._partials):
                size = partial.path.stat().st_size
                path = blob_store.put(FetchedBlob(path=partial.path, digest=digest, size=size))
                partial.remove()
                lock.write_text(str(digest))
        finally:
            partial.close()
        return FetchedBlob(path=path, digest=digest, size=size)

    def _complete(self, blob: RemoteBlob, partial: Partial) -> Digest:
        """Fetch all of a blob into *partial*, from the beginning again where it must be."""
        source = Source(blob.locate)
        mode = DownloadMode(ranges=True, streams=self._streams)
        mismatched = refused = False
        reason = ""
        for _ in range(_MOST_BEGINNINGS):
            try:
                digest = self._attempt(blob, partial, source, mode)
            except StartOver as exc:
                reason = str(exc)
                mode = DownloadMode(ranges=mode.ranges and exc.ranges, streams=mode.streams)
            except ModelUnsupported as exc:
                # Where a digest was announced, it may be the way here that broke the first bytes.
                if refused or blob.digest is None:
                    raise
                refused, reason = True, str(exc)
            else:
                if blob.digest in {None, digest}:
                    return digest
                reason = f"it has {digest}, but {blob.digest} was announced"
                if mismatched:
                    break
                mismatched = True
                mode = DownloadMode(ranges=mode.ranges, streams=1)
            with disk_errors(blob.name, self._partials):
                partial.clear()
            self._on_event(DownloadRetrying(file=blob.name, reason=reason, seconds=0.0))
        with disk_errors(blob.name, self._partials):
            partial.remove()
        msg = f"{blob.name} cannot be fetched from {source.host}: {reason}"
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
    """Name the files of a blob; equal for whoever fetches the same one."""
    if blob.digest is not None:
        return blob.digest.file_name
    return f"url-{hashlib.sha256(blob.identity.encode()).hexdigest()}"


def _noted_digest(lock: Path) -> Digest | None:
    """Read what the process that we waited for has fetched; None if it gave up."""
    try:
        return Digest.parse(lock.read_text())
    except ValueError:
        return None
