"""Pull a model into the store, from its source or from the caches of other programs."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import ModelError, ModelPullError, ModelUnsupported, StoreError
from ramalama.events import (
    DownloadPlanned,
    DownloadRetrying,
    DownloadWaiting,
    ModelReady,
    Notice,
    ignore,
)
from ramalama.models.formats.gguf import check_header
from ramalama.models.formats.model_files import FileKind
from ramalama.models.store.caches import reuse
from ramalama.models.store.caches.base import WantedFile
from ramalama.models.store.open import describe_model
from ramalama.models.store.records import ModelRecord, StoredFile
from ramalama.models.transports import open_transport

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import TypeAlias

    from ramalama.events import EventHook
    from ramalama.models.download.values import FetchedBlob, RemoteBlob
    from ramalama.models.formats.model_files import Digest
    from ramalama.models.options import ModelFormat
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.caches.base import Cache
    from ramalama.models.store.store import ModelStore
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.models.transports.base import RemoteFile, RemoteModel, TransportContext
    from ramalama.models.transports.selection.request import Variant

    Admit: TypeAlias = Callable[[str, int, Sequence[Variant]], None]
    """Called before a model is downloaded, with its name, the bytes of its weights, and the
    variants that are available instead. Raises a ModelError to refuse the model."""


class Puller:
    """Pulls models into *store*; files in the *caches* of other programs are not downloaded.

    A model that *admit* or *check* refuses is refused before anything is downloaded; see
    `Models.pull`.
    """

    def __init__(  # noqa: PLR0913 (the settings of a pull)
        self,
        store: ModelStore,
        context: TransportContext,
        *,
        caches: Sequence[Cache] = (),
        admit: Admit | None = None,
        check: Callable[[StoredModel], None] | None = None,
        on_event: EventHook = ignore,
    ) -> None:
        self._store = store
        self._contents = store.contents
        self._context = context
        self._caches = caches
        self._admit = admit
        self._check_preview = check
        self._on_event = on_event

    def pull(self, reference: ModelRef, wanted: ModelFormat) -> ModelRecord:
        """Pull the current version of the model; after a failure, the stored model is unchanged.

        Downloaded parts are kept after an error, and the next pull continues with them. If another
        process pulls the same model, this one waits for it and uses its result.

        Raises:
            ModelError: the model does not exist, access is denied, it is too large, the download
                was interrupted, or it is not a model.
            StoreError: the store cannot be used, or has not enough space.
        """
        began = datetime.now(UTC)
        waiting = DownloadWaiting(file=str(reference))
        alone = self._store.pulling(reference, on_wait=lambda: self._on_event(waiting))
        with self._store.using(), alone, _named(reference):
            record = self._store.find(reference)
            if record is None or record.pulled <= began:
                record = self._update(reference, wanted, record)
        self._on_event(ModelReady(str(reference)))
        return record

    def _update(
        self, reference: ModelRef, wanted: ModelFormat, record: ModelRecord | None
    ) -> ModelRecord:
        """Find *reference* at its source, and download it unless *record* is up to date."""

        def note_retry(reason: str, seconds: float) -> None:
            self._on_event(DownloadRetrying(str(reference), reason, seconds))

        context = replace(self._context, on_retry=note_retry)
        with open_transport(reference.scheme, context) as transport:
            remote = transport.find(reference, wanted)
            self._preview(remote)
            if record is None or not _is_same(record, remote):
                record = ModelRecord(
                    reference=reference,
                    files=self._download_files(remote, wanted),
                    pulled=datetime.now(UTC),
                    revision=remote.revision,
                )
                self._store.publish(record)
        return record

    def _download_files(self, remote: RemoteModel, wanted: ModelFormat) -> tuple[StoredFile, ...]:
        """Get all files of the model into the store."""
        files = {file.name: self._find_here(remote, file) for file in remote.files}
        missing = [file for file in remote.files if files[file.name] is None]
        layers = [archive.blob for archive in remote.archives]
        blobs = [*(file.checked_blob for file in missing), *layers]
        self._announce(remote, blobs)
        with ExitStack() as holding:
            # Another image may share a layer with this one, and may be unpacked at the same time.
            digests = [layer.digest for layer in layers if layer.digest is not None]
            holding.enter_context(self._contents.held(digests))
            fetched = self._fetch(remote, blobs)
            for file, blob in zip(missing, fetched, strict=False):  # the layers follow
                files[file.name] = _stored(file, blob.digest, blob.size)
            found = [file for file in files.values() if file is not None]
            try:
                found += self._unpack(remote, fetched[len(missing) :], wanted)
                self._check(found)
            except ModelError:  # another attempt would fail, too
                holding.close()
                self._store.abandon(remote.reference, {blob.digest for blob in fetched})
                raise
        kept = {file.digest for file in found}
        for layer in fetched[len(missing) :]:
            if layer.digest not in kept:
                self._contents.release(layer.digest)
        return tuple(found)

    def _preview(self, remote: RemoteModel) -> None:
        """Refuse a model that is not suitable, judged by its description."""
        files = {Path(file.name): file.kind for file in remote.files}
        model = describe_model(remote.reference, files, Path())
        if self._check_preview is not None and model is not None:  # archives are not known yet
            self._check_preview(model)
        if self._admit is not None:
            self._admit(str(remote.reference), remote.weights_size, remote.variants)

    def _find_here(self, remote: RemoteModel, file: RemoteFile) -> StoredFile | None:
        """Return a file that the store or another program has already; None if there is none."""
        blob = file.blob
        if blob.digest is not None and (path := self._contents.find(blob.digest)):
            return _stored(file, blob.digest, path.stat().st_size)
        wanted = WantedFile(
            reference=remote.reference,
            name=file.name,
            digest=blob.digest,
            size=blob.size,
            revision=remote.revision,
        )
        found = reuse(self._contents, self._caches, wanted)
        path = None if found is None else self._contents.find(found.digest)
        if found is None or path is None:
            return None
        self._on_event(Notice(f"{file.name} was found in {found.cache} and is shared with it"))
        return _stored(file, found.digest, path.stat().st_size)

    def _announce(self, remote: RemoteModel, missing: Sequence[RemoteBlob]) -> None:
        self._on_event(
            DownloadPlanned(
                model=str(remote.reference),
                files=len(missing),
                size=_total(_blobs(remote)),
                missing=_total(missing),
            )
        )

    def _fetch(self, remote: RemoteModel, blobs: Sequence[RemoteBlob]) -> Sequence[FetchedBlob]:
        """Download *blobs*, the missing ones; keep partial results unless they are useless."""
        if not blobs:
            return ()
        from ramalama.models.download.downloader import (  # noqa: PLC0415 (brings in httpx2)
            Downloader,
        )

        downloader = Downloader(self._contents.directory, on_event=self._on_event)
        self._store.begin(remote.reference, _blobs(remote))
        try:
            return downloader.fetch_all(blobs, self._contents)
        except ModelUnsupported:
            self._store.abandon(remote.reference, ())
            raise
        except BaseException:
            with suppress(StoreError):  # report the first error
                self._store.forget_unless_begun(remote.reference, blobs)
            raise

    def _unpack(
        self, remote: RemoteModel, layers: Sequence[FetchedBlob], wanted: ModelFormat
    ) -> tuple[StoredFile, ...]:
        """Unpack the model's files from an image's layers."""
        if not layers:
            return ()
        # Imported only for images.
        from ramalama.models.transports.oci.layers.unpack import unpack  # noqa: PLC0415
        from ramalama.models.transports.oci.manifests.weights import one_model  # noqa: PLC0415

        files = unpack(
            [layer.path for layer in layers],
            self._contents,
            prefix=remote.archives[0].prefix,
            directory=self._contents.scratch,
            name=str(remote.reference),
        )
        return one_model(files, wanted, name=str(remote.reference))

    def _check(self, files: Sequence[StoredFile]) -> None:
        """Refuse weights that no server of this machine could load.

        Raises:
            ModelUnsupported: see `check_header`.
        """
        for file in files:
            if file.kind is FileKind.GGUF:
                path = self._contents.find(file.digest)
                if path is not None:
                    check_header(path, name=file.name)


@contextmanager
def _named(reference: ModelRef) -> Generator[None]:
    """Make sure that the message of every failed pull names the model."""
    try:
        yield
    except ModelPullError as exc:
        if str(reference) in str(exc):
            raise
        msg = f"{reference} cannot be pulled: {exc.message}"
        raise type(exc)(msg, hint=exc.hint) from exc


def _is_same(record: ModelRecord, remote: RemoteModel) -> bool:
    """Return whether *record* is the current version at the source."""
    if remote.archives or not all(file.blob.digest for file in remote.files):
        return remote.revision is not None and record.revision == remote.revision
    known = {(file.name, file.digest) for file in record.files}
    return known == {(file.name, file.blob.digest) for file in remote.files}


def _blobs(remote: RemoteModel) -> Sequence[RemoteBlob]:
    """Return all blobs of the model, whether they are in the store or not."""
    return [*(file.blob for file in remote.files), *(each.blob for each in remote.archives)]


def _stored(file: RemoteFile, digest: Digest, size: int) -> StoredFile:
    return StoredFile(name=file.name, kind=file.kind, digest=digest, size=size)


def _total(blobs: Sequence[RemoteBlob]) -> int | None:
    """Return the sum of the sizes; None if one of them is unknown."""
    sizes = [blob.size for blob in blobs]
    return None if None in sizes else sum(size or 0 for size in sizes)
