"""All models of this machine, in one directory, which upstream RamaLama may share.

    BASE/cas/            contents, each once                         `cas`
    BASE/refs2/          what each model is                          `refs`
    BASE/snapshots/      its files side by side, for a server        `snapshots`
    BASE/pulls/          which models are on their way               `pulls`
    BASE/store/          the same as upstream has it                 `views`, `layout`
    BASE/tmp/            what is being made                          `atomic`

A model is there as soon as its record is, which is written when all its files are. The record
comes before upstream's view of it: whatever kills us, we never take a view for all of a model.

Two locks, both of flock(2). ``store.lock`` is shared by whoever uses models and held alone by the
garbage collector; ``records.lock`` is held alone, for milliseconds, where records are written or
removed, and shared where a model is opened, so that what one process removes is not what another
has just found to be there.

`find` and `open` are on the way to every server: what they do not need is imported by who does.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ramalama.errors import StoreError
from ramalama.models.store.cas import ContentStore
from ramalama.models.store.records_file import Records, note_name
from ramalama.models.store.snapshots import Snapshots
from ramalama.system.locks import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path

    from ramalama.events import EventHook
    from ramalama.models.download.values import RemoteBlob
    from ramalama.models.formats.digest import Digest
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
        contents: the shelf that a downloader fills.

    Every method raises StoreError where the directory cannot be used.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.contents = ContentStore(base)
        self._records = Records(base)
        self._snapshots = Snapshots(base, self.contents)

    @contextmanager
    def using(self) -> Generator[None]:
        """Keep the garbage collector away, from the first file that is fetched to the last read."""
        with ExitStack() as stack:
            with self._told():
                stack.enter_context(locked(self._lock("store"), shared=True))
            yield

    @contextmanager
    def pulling(self, reference: ModelRef, *, on_wait: Callable[[], None]) -> Generator[None]:
        """Pull *reference* in no other process meanwhile; see `locked`.

        Two that unpack the same image would take its layers away from each other.
        """
        lock = self._lock(note_name(reference).replace("/", "-").removesuffix(".json"))
        with ExitStack() as stack:
            with self._told():
                stack.enter_context(locked(lock, on_wait=on_wait))
            # There are as many of these as references, misspelt ones too.
            stack.callback(lock.unlink, missing_ok=True)
            yield

    def find(self, reference: ModelRef, *, on_event: EventHook | None = None) -> ModelRecord | None:
        """Return a model that is complete; None if there is none.

        One that only upstream has pulled is read once, to adopt it; *on_event* gets a notice then.
        """
        with self._told():
            record = self._records.find(reference)
            if record is not None and self._is_complete(record):
                return record
            found = self._find_foreign(reference, on_event)
            # With upstream's files, what we know of the model may be complete again.
            return record if found and record and self._is_complete(record) else found

    def begin(self, reference: ModelRef, blobs: Iterable[RemoteBlob]) -> None:
        """Note that *blobs* are going to be fetched, so that `list` and `remove` know of them.

        Nothing else depends on it; `publish` ends it.
        """
        with self._told(), self.using():
            self._parts().pulls.begin(reference, blobs)

    def forget_unless_begun(self, reference: ModelRef, missing: Iterable[RemoteBlob]) -> None:
        """End a pull of whose blobs no byte came; *missing* are those that were not here before."""
        with self._changing():
            self._parts().pulls.forget_unless_begun(reference, missing)

    def abandon(self, reference: ModelRef, contents: Iterable[Digest]) -> None:
        """Give up a pull that was begun: what came for it alone, of *contents* too, is of no use.

        A model that was there before stays.
        """
        from ramalama.models.store.remove import abandon_pull  # noqa: PLC0415 (see above)

        with self._changing():
            abandon_pull(self._parts(), reference, contents)

    def publish(self, record: ModelRecord) -> None:
        """Make a model known whose contents are all here, in place of what it was before.

        Raises:
            StoreError: a content is missing; somebody has removed it since it was found.
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
        """Return the paths to mount for a model that `find` has found, and its author's settings.

        Raises:
            ModelUnsupported: it has no weights.
            StoreError: somebody has removed it meanwhile.
        """
        from ramalama.models.store.open import open_model  # noqa: PLC0415 (see above)

        with self._told(), self.using(), locked(self._lock("records"), shared=True):
            if not self._is_complete(record):
                msg = f"{record.reference} has been removed meanwhile"
                raise StoreError(msg, hint="pull it again")
            return open_model(record, self._snapshots.ensure(record))

    @contextmanager
    def serving(self, model: StoredModel) -> Generator[None]:
        """Keep the directories of a model where they are, for as long as a server reads from them.

        `remove` forgets the model all the same, and the garbage collector does not wait; what they
        leave is removed by the next garbage collection after the block.

        Raises:
            StoreError: somebody has removed it since it was opened.
        """
        paths = [path for path in (model.directory, model.draft) if path is not None]
        with ExitStack() as stack:
            with self._told(), self.using(), locked(self._lock("records"), shared=True):
                for path in paths:
                    stack.enter_context(self._snapshots.held(path))
                if not all(path.exists() for path in paths):
                    msg = f"{model.reference} has been removed meanwhile"
                    raise StoreError(msg, hint="pull it again")
            yield

    def list(self) -> Sequence[ListedModel]:
        """List all models, complete or not, in no order that matters."""
        from ramalama.models.store.listing import list_models  # noqa: PLC0415 (see above)

        with self._told():
            return tuple(list_models(self._parts()))

    def remove(self, reference: ModelRef) -> RemovedModel:
        """Remove a model, for upstream too; files that another one has, or another program, stay.

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
        """Remove what no model needs; a partial file, after *older_than* seconds.

        Waits until nobody uses the store, after calling *on_wait* once if somebody does.

        Raises:
            StoreError: a record cannot be read, and what it names would be lost.
        """
        from ramalama.models.store.gc import GarbageCollector  # noqa: PLC0415 (see above)

        collector = GarbageCollector(self._parts())
        with self._told(), locked(self._lock("store"), on_wait=on_wait):
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
        """Hold the lock of those who write and remove records."""
        with self._told(), self.using(), locked(self._lock("records")):
            yield

    @contextmanager
    def _told(self) -> Generator[None]:
        """Say what is wrong with the directory in our own words."""
        try:
            yield
        except OSError as exc:
            msg = (
                f"the store {self.base} cannot be used: {exc.strerror or exc}; "
                "choose another directory with --store"
            )
            raise StoreError(msg) from exc
