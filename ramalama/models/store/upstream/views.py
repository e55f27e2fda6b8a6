"""Show the store's models to upstream RamaLama: links to the contents in its layout.

Upstream may remove, replace and add files there; that does not affect the models of this store.
Only `remove` removes files that this program has not created.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import StoreError
from ramalama.models.store.atomic import (
    link,
    remove_empty_above,
    remove_empty_below,
    remove_tree,
    unlink,
    write_whole,
)
from ramalama.models.store.upstream.layout import BLOBS, INSIDE, REFS, SNAPSHOTS, place_of
from ramalama.models.store.upstream.refs import format_ref, read_ref, upstream_ref
from ramalama_values import frozen
from ramalama_values.directories import READABLE, make_directories

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ramalama.models.store.cas import ContentStore
    from ramalama.models.store.records import ModelRecord
    from ramalama.models.store.upstream.layout import Place
    from ramalama.models.store.upstream.refs import UpstreamFile, UpstreamRef

_DEEPEST = 64


@frozen(kw_only=False)
class UpstreamTree:
    """The directory *store*; raises OSError if the disk cannot be used."""

    store: Path
    contents: ContentStore

    def publish(self, record: ModelRecord) -> None:
        """Show a model to upstream, unless it has no safe place there.

        The ref file is written last, so that upstream never sees one whose files are missing.
        """
        place = place_of(record.reference)
        if place is None:
            return
        directory, ref, scratch = place.directory(self.store), upstream_ref(record), self._scratch
        snapshot = directory / SNAPSHOTS / ref.snapshot
        for path in (directory / BLOBS, directory / REFS, snapshot):
            make_directories(path, mode=READABLE)
        for file in record.files:
            content = self.contents.path(file.digest)
            link(content, directory / BLOBS / file.digest.file_name, scratch=scratch)
            name = snapshot / file.name
            make_directories(name.parent, mode=READABLE)
            link(content, name, scratch=scratch)
        path = place.ref(self.store)
        write_whole(path, format_ref(ref, path), scratch=scratch)

    def remove(self, place: Place) -> int | None:
        """Remove the model at *place* and the files that only it needs; return the freed bytes.

        Return None if there is no such model.
        """
        path = self.ref_path(place)
        if path is None:
            return None
        directory = place.directory(self.store)
        try:
            ref, others = read_ref(path), self._others(directory, path)
        except StoreError:  # files of other tags are unknown, so only this ref is removed
            return unlink(path)
        freed = unlink(path)
        named = {blob_path(directory, other, file) for other in others for file in other.files}
        blobs = {blob_path(directory, ref, file) for file in ref.files} - named
        if ref.snapshot not in {other.snapshot for other in others}:
            freed += remove_tree(directory / SNAPSHOTS / ref.snapshot)
            blobs.add(directory / BLOBS / f"{ref.snapshot}.partial")
        freed += sum(map(unlink, blobs))
        self.remove_empty(directory)
        return freed

    def remove_empty(self, directory: Path) -> None:
        """Remove the empty directories of a model, and their empty parents."""
        for name in INSIDE:
            remove_empty_below(directory / name)
        remove_empty_above(directory, stop=self.store)

    def ref_path(self, place: Place) -> Path | None:
        """Return the ref file of *place*, in the new or the old format; None if there is none."""
        path = place.ref(self.store)
        candidates = (path, path.with_name(place.tag))
        return next((candidate for candidate in candidates if candidate.is_file()), None)

    def directories(self) -> Iterator[tuple[Path, tuple[str, ...]]]:
        """Yield the directory of each model, including upstream's, and the parts of its name."""
        yield from ((Path(directory), parts) for directory, parts in _directories(self.store, ()))

    def refs(self) -> Iterator[tuple[str, tuple[str, ...], str]]:
        """Yield each ref: the model's directory, the parts of the model's name, the file's name."""
        for directory, parts in _directories(self.store, ()):
            for name in _ref_names(directory):
                yield directory, parts, name

    @property
    def _scratch(self) -> Path:
        return self.contents.scratch

    def _others(self, directory: Path, path: Path) -> tuple[UpstreamRef, ...]:
        """Read the other ref files beside *path*; raise StoreError if one cannot be read."""
        return tuple(read_ref(other) for other in refs_in(directory) if other != path)


def blob_path(directory: Path, ref: UpstreamRef, file: UpstreamFile) -> Path:
    """Return the blob of a file; in the old format, it is found through the snapshot."""
    blobs = directory / BLOBS
    if file.blob is not None:
        return blobs / file.blob
    name = directory / SNAPSHOTS / ref.snapshot / file.name
    try:
        return next(blob for blob in blobs.iterdir() if blob.samefile(name))
    except (StopIteration, FileNotFoundError, NotADirectoryError):
        return name


def file_path(directory: Path, ref: UpstreamRef, file: UpstreamFile) -> Path:
    """Return where a file of a model can be read: its blob, or else its name in the snapshot."""
    blob = blob_path(directory, ref, file)
    name = directory / SNAPSHOTS / ref.snapshot / file.name
    return name if not blob.exists() and name.exists() else blob


def refs_in(directory: Path) -> tuple[Path, ...]:
    """Return the ref files of a model's directory, sorted by name."""
    return tuple(directory / REFS / name for name in _ref_names(directory))


def _ref_names(directory: Path | str) -> Sequence[str]:
    """Return the names of the ref files, sorted."""
    try:
        with os.scandir(f"{directory}/{REFS}") as entries:
            return sorted(entry.name for entry in entries if entry.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return ()


def _directories(
    directory: Path | str, parts: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    try:
        with os.scandir(directory) as entries:
            names = {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    if not INSIDE.isdisjoint(names):
        yield str(directory), parts
    if len(parts) < _DEEPEST:
        for name in sorted(names - INSIDE):
            yield from _directories(f"{directory}/{name}", (*parts, name))
