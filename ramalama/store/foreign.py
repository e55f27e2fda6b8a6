"""Models that upstream RamaLama has pulled, and we have not: used as they are.

The names of its blobs are not believed to be digests. At the first use the files are read once and
adopted into our contents, by hard links; its own files stay where and what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported, StoreError
from ramalama.events import Notice, ignore
from ramalama.store.adoption import adopt, known_digest
from ramalama.store.layout import BLOBS, SNAPSHOTS, place_of, reference_at, says_all
from ramalama.store.records import FileKind, ModelRecord, StoredFile
from ramalama.store.upstream import read_ref
from ramalama.store.views import blob_path, refs_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from ramalama.digest import Digest
    from ramalama.events import EventHook
    from ramalama.reference import ModelRef
    from ramalama.store.upstream import UpstreamFile, UpstreamRef
    from ramalama.store.views import UpstreamTree

    Located = tuple[tuple[UpstreamFile, Path], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignModel:
    """A model in upstream's tree.

    Attributes:
        path: the file that says what its tag means.
        size: in bytes, of what is there.
        modified: when the newest of its files was written; aware.
    """

    reference: ModelRef
    path: Path
    size: int
    modified: datetime
    complete: bool


def find_foreign(
    tree: UpstreamTree, reference: ModelRef, *, on_event: EventHook = ignore
) -> ModelRecord | None:
    """Look for a complete model of upstream's, and adopt it; None if there is none.

    *on_event* is told before files are read, which takes a second for each gigabyte.

    Raises:
        OSError: the store cannot be written to.
    """
    located = _find(tree, reference)
    if not located:
        return None
    if not all(known_digest(tree.contents, path) for _, path in located):
        on_event(Notice(f"{reference} is here from another RamaLama; its files are read once"))
    return _record(reference, located, lambda path: adopt(tree.contents, path))


def known_foreign(tree: UpstreamTree, reference: ModelRef) -> ModelRecord | None:
    """Return what `find_foreign` would, unless that had to read files first."""
    located = _find(tree, reference)
    if not located:
        return None
    return _record(reference, located, lambda path: known_digest(tree.contents, path))


def all_foreign(tree: UpstreamTree) -> Iterator[ForeignModel]:
    """Yield what is in upstream's tree, in the order of the directories' names; reads no model."""
    for directory in tree.directories():
        parts = directory.relative_to(tree.store).parts
        for path in refs_in(directory):
            reference = reference_at(parts, path.name)
            if reference is not None:
                try:
                    yield _describe(reference, directory, path)
                except (StoreError, OSError):  # broken, or removed meanwhile
                    continue


def _find(tree: UpstreamTree, reference: ModelRef) -> Located:
    """Find the files of a model; empty if there is none, or if some are missing."""
    place = place_of(reference)
    path = tree.ref_path(place) if place is not None and says_all(reference) else None
    if place is None or path is None:
        return ()
    try:
        located = tuple(_locate(place.directory(tree.store), read_ref(path)))
    except (StoreError, FileNotFoundError):  # it is upstream's to repair
        return ()
    return located if all(file_path.is_file() for _, file_path in located) else ()


def _record(
    reference: ModelRef, located: Located, digest_of: Callable[[Path], Digest | None]
) -> ModelRecord | None:
    files: list[StoredFile] = []
    for file, path in located:
        digest = digest_of(path)
        if digest is None:
            return None
        size = path.stat().st_size
        files.append(StoredFile(name=file.name, kind=file.kind, digest=digest, size=size))
    # Upstream lists the parts of a split model in any order.
    files.sort(key=lambda file: (0, file.name) if file.kind is FileKind.GGUF else (1, ""))
    try:
        pulled = _newest([path for _, path in located])
        return ModelRecord(reference=reference, files=tuple(files), pulled=pulled)
    except (ModelUnsupported, FileNotFoundError):
        return None


def _describe(reference: ModelRef, directory: Path, path: Path) -> ForeignModel:
    ref = read_ref(path)
    located = tuple(file_path for _, file_path in _locate(directory, ref))
    there = tuple(file_path for file_path in located if file_path.is_file())
    partial = directory / BLOBS / f"{ref.snapshot}.partial"
    counted = (*there, partial) if partial.is_file() else there
    return ForeignModel(
        reference=reference,
        path=path,
        size=sum(file_path.stat().st_size for file_path in counted),
        modified=_newest(counted or [path]),
        complete=there == located,
    )


def _locate(directory: Path, ref: UpstreamRef) -> Iterator[tuple[UpstreamFile, Path]]:
    """Yield each file with its path: the blob, else what the snapshot has for it."""
    for file in ref.files:
        blob = blob_path(directory, ref, file)
        name = directory / SNAPSHOTS / ref.snapshot / file.name
        yield file, name if not blob.exists() and name.exists() else blob


def _newest(paths: Sequence[Path]) -> datetime:
    from datetime import UTC, datetime  # noqa: PLC0415 (keeps the common import light)

    return datetime.fromtimestamp(max(path.stat().st_mtime for path in paths), UTC)
