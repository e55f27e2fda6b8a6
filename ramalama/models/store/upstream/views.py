"""Our models as upstream RamaLama sees them: links to our contents in its layout.

What upstream does there is its own affair: it may remove, replace and add, and our models do not
suffer from it. Of what is not ours, only `remove` takes anything away.
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

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ramalama.models.store.cas import ContentStore
    from ramalama.models.store.records import ModelRecord
    from ramalama.models.store.upstream.layout import Place
    from ramalama.models.store.upstream.refs import UpstreamFile, UpstreamRef

_DEEPEST = 64


@frozen(kw_only=False)
class UpstreamTree:
    """The directory *store*; raises OSError where the disk cannot be used."""

    store: Path
    contents: ContentStore

    def publish(self, record: ModelRecord) -> None:
        """Show a model to upstream; one that has no safe place there is ours alone.

        The reference is written last, and upstream never sees one whose files are not there.
        """
        place = place_of(record.reference)
        if place is None:
            return
        directory, ref, scratch = place.directory(self.store), upstream_ref(record), self._scratch
        snapshot = directory / SNAPSHOTS / ref.snapshot
        for path in (directory / BLOBS, directory / REFS, snapshot):
            path.mkdir(parents=True, exist_ok=True)
        for file in record.files:
            content = self.contents.path(file.digest)
            link(content, directory / BLOBS / file.digest.file_name, scratch=scratch)
            name = snapshot / file.name
            name.parent.mkdir(parents=True, exist_ok=True)
            link(content, name, scratch=scratch)
        path = place.ref(self.store)
        write_whole(path, format_ref(ref, path), scratch=scratch)

    def remove(self, place: Place) -> int | None:
        """Remove the model at *place* with what no other tag there names; say what that freed.

        None if there is none.
        """
        path = self.ref_path(place)
        if path is None:
            return None
        directory = place.directory(self.store)
        try:
            ref, others = read_ref(path), self._others(directory, path)
        except StoreError:  # who cannot tell what is whose removes the one name that was asked for
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
        """Remove what directories of a model's are empty, with those above them."""
        for name in INSIDE:
            remove_empty_below(directory / name)
        remove_empty_above(directory, stop=self.store)

    def ref_path(self, place: Place) -> Path | None:
        """Return the file that says what a tag means, in the new or the old format."""
        path = place.ref(self.store)
        candidates = (path, path.with_name(place.tag))
        return next((candidate for candidate in candidates if candidate.is_file()), None)

    def directories(self) -> Iterator[tuple[Path, tuple[str, ...]]]:
        """Yield the directory of each model, of ours and of upstream's own, and its names."""
        yield from ((Path(directory), parts) for directory, parts in _directories(self.store, ()))

    def refs(self) -> Iterator[tuple[str, tuple[str, ...], str]]:
        """Yield each ref: the directory of its model, that one's names, and the file's name."""
        for directory, parts in _directories(self.store, ()):
            for name in _ref_names(directory):
                yield directory, parts, name

    @property
    def _scratch(self) -> Path:
        return self.contents.scratch

    def _others(self, directory: Path, path: Path) -> tuple[UpstreamRef, ...]:
        """Read the refs beside *path*; raises StoreError if there is one that cannot be read."""
        return tuple(read_ref(other) for other in refs_in(directory) if other != path)


def blob_path(directory: Path, ref: UpstreamRef, file: UpstreamFile) -> Path:
    """Say where a file of a model in *directory* is; in the old format the snapshot leads there."""
    blobs = directory / BLOBS
    if file.blob is not None:
        return blobs / file.blob
    name = directory / SNAPSHOTS / ref.snapshot / file.name
    try:
        return next(blob for blob in blobs.iterdir() if blob.samefile(name))
    except (StopIteration, FileNotFoundError, NotADirectoryError):
        return name


def file_path(directory: Path, ref: UpstreamRef, file: UpstreamFile) -> Path:
    """Say where a file of a model can be read: the blob, else what the snapshot has for it."""
    blob = blob_path(directory, ref, file)
    name = directory / SNAPSHOTS / ref.snapshot / file.name
    return name if not blob.exists() and name.exists() else blob


def refs_in(directory: Path) -> tuple[Path, ...]:
    """List the refs of a model's directory, in the order of their names."""
    return tuple(directory / REFS / name for name in _ref_names(directory))


def _ref_names(directory: Path | str) -> Sequence[str]:
    """List the names of these files, in their order."""
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
