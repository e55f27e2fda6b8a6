"""Store all models of this machine in one directory, which upstream RamaLama may share.

    BASE/cas/            contents, each once                         `cas`
    BASE/refs2/          the record of each model                    `records`
    BASE/snapshots/      its files together, for a server            `snapshots`
    BASE/pulls/          unfinished pulls                            `pulls`
    BASE/store/          the models in upstream's layout             `upstream`
    BASE/tmp/            files that are being created                `atomic`

A model exists as soon as its record does, which is written after all its files. The record is
written before upstream's view of the model: after a kill, a view is never taken for a complete
model.

There are two locks, both with flock(2). ``store.lock`` is shared by all processes that use models,
and held exclusively by the garbage collector. ``records.lock`` is held exclusively, for
milliseconds, when records are written or removed, and shared when a model is opened, so that no
process removes what another one has just found.

Every server start uses `find` and `open`, so imports that they do not need are done elsewhere.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ramalama.errors import StoreError
from ramalama.models.store.atomic import require_links
from ramalama.models.store.cas import ContentStore, digest_of
from ramalama.models.store.records import Records, note_name
from ramalama.models.store.snapshots import Snapshots
from ramalama.system.locks import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path

    from ramalama.events import EventHook
    from ramalama.models.download.values import RemoteBlob
    from ramalama.models.formats.model_files import Digest
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.gc import GarbageReport
    from ramalama.models.store.layout import StoreLayout
    from ramalama.models.store.listing import ListedModel
    from ramalama.models.store.records import ModelRecord
    from ramalama.models.store.remove import RemovedModel
    from ramalama.models.store.stored_model import StoredModel


_WEEK = 7 * 24 * 3600.0


class ModelStore:
    """The models below *base*; safe for several threads and processes at once.

    Attributes:
        contents: the blob store that a downloader fills.

    Every method raises StoreError if the directory cannot be used.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.contents = ContentStore(base)
        self._records = Records(base)
        self._snapshots = Snapshots(base, self.contents)

    @contextmanager
    def using(self) -> Generator[None]:
        """Keep the garbage collector away during the block, while files are downloaded or read."""
        with ExitStack() as stack:
            with self._store_errors():
                stack.enter_context(locked(self._lock("store"), shared=True))
            yield

    @contextmanager
    def pulling(self, reference: ModelRef, *, on_wait: Callable[[], None]) -> Generator[None]:
        """Prevent other processes from pulling *reference* during the block; see `locked`.

        Two pulls that unpack the same image would remove each other's layers.
        """
        lock = self._lock(note_name(reference).replace("/", "-").removesuffix(".json"))
        with ExitStack() as stack:
            with self._store_errors():
                stack.enter_context(locked(lock, on_wait=on_wait))
            # There is one for each reference that was ever used, misspelt ones included.
            stack.callback(lock.unlink, missing_ok=True)
            yield

    def find(self, reference: ModelRef, *, on_event: EventHook | None = None) -> ModelRecord | None:
        """Return a complete model; None if there is none.

        A model that only upstream has pulled is read once, to adopt it; *on_event* gets a notice
        then.
        """
        with self._store_errors():
            record = self._records.find(reference)
            if record is not None and self._is_complete(record):
                return record
            found = self._find_foreign(reference, on_event)
            # With upstream's files, the recorded model may be complete again.
            return record if found and record and self._is_complete(record) else found

    def begin(self, reference: ModelRef, blobs: Iterable[RemoteBlob]) -> None:
        """Record that *blobs* are about to be downloaded, so that `list` and `remove` know of them.

        Nothing else depends on this record; `publish` removes it.

        Raises:
            StoreError: the model could not be stored after its download.
        """
        with self._store_errors(), self.using():
            require_links(self.base, scratch=self.contents.scratch)
            self._parts().pulls.begin(reference, blobs)

    def forget_unless_begun(self, reference: ModelRef, missing: Iterable[RemoteBlob]) -> None:
        """Remove the record of a pull if nothing of its *missing* blobs was downloaded."""
        with self._changing():
            self._parts().pulls.forget_unless_begun(reference, missing)

    def abandon(self, reference: ModelRef, contents: Iterable[Digest]) -> None:
        """Give up a pull: remove what only it needs, including *contents*.

        An older version of the model is kept.
        """
        from ramalama.models.store.remove import abandon_pull  # noqa: PLC0415 (see above)

        with self._changing():
            abandon_pull(self._parts(), reference, contents)

    def publish(self, record: ModelRecord) -> None:
        """Record a model whose contents are all in the store; it replaces an older version.

        Raises:
            StoreError: a content is missing, since another process has removed it.
        """
        with self._changing():
            if not self._is_complete(record):
                msg = f"files of {record.reference} have been removed meanwhile"
                raise StoreError(msg, hint="pull it again")
            self._snapshots.ensure(record)
            self._records.write(record)
            parts = self._parts()
            parts.tree.publish(record)
            parts.pulls.end(record.reference)

    def open(self, record: ModelRecord) -> StoredModel:
        """Return a model that `find` has found, with the paths to mount and its author's settings.

        Raises:
            ModelUnsupported: it has no weights.
            StoreError: another process has removed it meanwhile.
        """
        from ramalama.models.store.open import open_model  # noqa: PLC0415 (see above)

        with self._store_errors(), self.using(), locked(self._lock("records"), shared=True):
            if not self._is_complete(record):
                msg = f"{record.reference} has been removed meanwhile"
                raise StoreError(msg, hint="pull it again")
            return open_model(record, self._snapshots.ensure(record))

    @contextmanager
    def serving(self, model: StoredModel) -> Generator[None]:
        """Protect the directories of a model during the block, while a server reads from them.

        `remove` removes the model's record nevertheless, and the garbage collector does not wait.
        The next garbage collection after the block removes the files.

        Raises:
            StoreError: another process has removed it since it was opened.
        """
        paths = [path for path in (model.directory, model.draft) if path is not None]
        with ExitStack() as stack:
            with self._store_errors(), self.using(), locked(self._lock("records"), shared=True):
                for path in paths:
                    stack.enter_context(self._snapshots.held(path))
                if not all(path.exists() for path in paths):
                    msg = f"{model.reference} has been removed meanwhile"
                    raise StoreError(msg, hint="pull it again")
            yield

    def digest_of(self, path: Path) -> Digest:
        """Return the digest of a model's file, which is read only if it has changed since.

        Raises:
            StoreError: it cannot be read, or the store cannot be written.
        """
        with self._store_errors(), path.open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            known = self.contents.index.find(status)
            if known is None:
                known = digest_of(file)
                self.contents.index.remember(status, known)
            return known

    def list(self) -> Sequence[ListedModel]:
        """Return all models, complete or not, in no particular order."""
        from ramalama.models.store.listing import list_models  # noqa: PLC0415 (see above)

        with self._store_errors():
            return tuple(list_models(self._parts()))

    def remove(self, reference: ModelRef) -> RemovedModel:
        """Remove a model, also from upstream's tree; files of other models and programs are kept.

        Raises:
            ModelNotFound: there is no such model.
        """
        from ramalama.models.store.remove import remove_model  # noqa: PLC0415 (see above)

        with self._changing():
            return remove_model(self._parts(), reference)

    def collect_garbage(
        self,
        *,
        older_than: float = _WEEK,
        dry_run: bool = False,
        on_wait: Callable[[], None] = lambda: None,
    ) -> GarbageReport:
        """Remove what no model needs, and partial files after *older_than* seconds.

        It waits until no process uses the store; if it has to wait, it calls *on_wait* once.

        Raises:
            StoreError: a record cannot be read, so that its files are unknown.
        """
        from ramalama.models.store.gc import GarbageCollector  # noqa: PLC0415 (see above)

        collector = GarbageCollector(self._parts())
        with self._store_errors(), locked(self._lock("store"), on_wait=on_wait):
            garbage = collector.find(older_than=older_than)
            if not dry_run:
                collector.remove(garbage)
            return garbage

    def _find_foreign(self, reference: ModelRef, on_event: EventHook | None) -> ModelRecord | None:
        from ramalama.models.store.upstream.adopt import find_foreign  # noqa: PLC0415 (see above)

        tree = self._parts().tree
        if not tree.store.exists():
            return None
        with self.using():
            return find_foreign(tree, reference, on_event=on_event)

    def _is_complete(self, record: ModelRecord) -> bool:
        return all(self.contents.find(file.digest) for file in record.files)

    def _parts(self) -> StoreLayout:
        from ramalama.models.store.layout import StoreLayout  # noqa: PLC0415 (see above)

        return StoreLayout.below(self.base)

    def _lock(self, name: str) -> Path:
        return self.contents.locks / f"{name}.lock"

    @contextmanager
    def _changing(self) -> Generator[None]:
        """Hold the lock that protects writing and removing records."""
        with self._store_errors(), self.using(), locked(self._lock("records")):
            yield

    @contextmanager
    def _store_errors(self) -> Generator[None]:
        """Turn an OSError into a StoreError that names the directory."""
        try:
            yield
        except OSError as exc:
            msg = (
                f"the store {self.base} cannot be used: {exc.strerror or exc}; "
                "choose another directory with --store"
            )
            raise StoreError(msg) from exc
