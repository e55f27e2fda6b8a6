"""Use models that only upstream RamaLama has pulled.

The names of its blobs are not trusted to be digests. At the first use, the files are read once and
hard-linked into the contents; upstream's own files are not changed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported, StoreError
from ramalama.events import Notice
from ramalama.models.formats.model_files import FileKind
from ramalama.models.store.caches.adopt import adopt, known_digest
from ramalama.models.store.records import ModelRecord, StoredFile
from ramalama.models.store.upstream.layout import place_of, says_all
from ramalama.models.store.upstream.refs import read_ref
from ramalama.models.store.upstream.views import file_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ramalama.events import EventHook
    from ramalama.models.formats.model_files import Digest
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.upstream.refs import UpstreamFile
    from ramalama.models.store.upstream.views import UpstreamTree

    Located = tuple[tuple[UpstreamFile, Path], ...]


def find_foreign(
    tree: UpstreamTree, reference: ModelRef, *, on_event: EventHook | None = None
) -> ModelRecord | None:
    """Find a complete model of upstream's, and adopt it; None if there is none.

    *on_event* gets a notice before files are read, which takes a second for each gigabyte.

    Raises:
        OSError: the store cannot be written to.
    """
    located = _find(tree, reference)
    if not located:
        return None
    if on_event and not all(known_digest(tree.contents, path) for _, path in located):
        on_event(Notice(f"{reference} is here from another RamaLama; its files are read once"))
    return _record(reference, located, lambda path: adopt(tree.contents, path))


def known_foreign(tree: UpstreamTree, reference: ModelRef) -> ModelRecord | None:
    """Return the result of `find_foreign`, or None if files had to be read for it."""
    located = _find(tree, reference)
    if not located:
        return None
    return _record(reference, located, lambda path: known_digest(tree.contents, path))


def _find(tree: UpstreamTree, reference: ModelRef) -> Located:
    """Return the files of a model; empty if there is no model, or if a file is missing."""
    place = place_of(reference)
    path = tree.ref_path(place) if place is not None and says_all(reference) else None
    if place is None or path is None:
        return ()
    try:
        ref = read_ref(path)
    except (StoreError, FileNotFoundError):  # only upstream can repair it
        return ()
    directory = place.directory(tree.store)
    located = tuple((file, file_path(directory, ref, file)) for file in ref.files)
    return located if all(path.is_file() for _, path in located) else ()


def _record(
    reference: ModelRef, located: Located, digest_of: Callable[[Path], Digest | None]
) -> ModelRecord | None:
    files: list[StoredFile] = []
    newest = 0.0
    try:
        for file, path in located:
            digest, status = digest_of(path), path.stat()
            if digest is None:
                return None
            files.append(
                StoredFile(name=file.name, kind=file.kind, digest=digest, size=status.st_size)
            )
            newest = max(newest, status.st_mtime)
        # Upstream lists the parts of a split model in any order.
        files.sort(key=lambda file: (0, file.name) if file.kind is FileKind.GGUF else (1, ""))
        pulled = datetime.fromtimestamp(newest, UTC)
        return ModelRecord(reference=reference, files=tuple(files), pulled=pulled)
    except (ModelUnsupported, FileNotFoundError):  # it has been removed meanwhile
        return None
