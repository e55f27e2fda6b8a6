"""Find and remove what no model needs, and what killed processes left behind.

A content is garbage if no record names it and its own name is its last one: then no model of
upstream RamaLama has it, either. So names that lead to no model are removed first: snapshots
without a model, and links to contents in upstream's tree that no reference there names. Partial
files are removed if they have not been written to for long. All files that are being created are
removed, since their creators hold the store's lock. Upstream's own files are never changed.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import StoreError
from ramalama.models.store.atomic import remove_tree, size_of_last_names, unlink
from ramalama.models.store.partials import Partials
from ramalama.models.store.upstream.adopt import known_foreign
from ramalama.models.store.upstream.layout import BLOBS, SNAPSHOTS, reference_at
from ramalama.models.store.upstream.refs import read_ref
from ramalama.models.store.upstream.views import blob_path, refs_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ramalama.models.store.layout import StoreLayout
    from ramalama.models.store.records import ModelRecord

Inode = tuple[int, int]
"""A file's device and number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GarbageReport:
    """What was removed, or would be removed.

    Attributes:
        contents: files of models.
        partials: files of downloads that were given up.
        leftovers: other names of contents, and unfinished files of killed processes.
        freed: bytes on the disk.
    """

    contents: tuple[Path, ...]
    partials: tuple[Path, ...]
    leftovers: tuple[Path, ...]
    freed: int


@dataclass(frozen=True, slots=True)
class GarbageCollector:
    """Searches all directories. The caller must hold the store's lock exclusively."""

    parts: StoreLayout

    def find(self, *, older_than: float) -> GarbageReport:
        """Find garbage; a partial file counts as garbage after *older_than* seconds.

        Raises:
            StoreError: a record cannot be read, so that its files are unknown.
            OSError: the disk cannot be read.
        """
        parts, then = self.parts, time.time() - older_than
        records, pulls = tuple(parts.records.all_or_nothing()), tuple(parts.pulls.all())
        named = {file.digest for record in records for file in record.files}
        named |= {digest for pull in pulls if pull.begun >= then for digest in pull.digests}
        statuses = {digest: parts.contents.path(digest).lstat() for digest in parts.contents.all()}
        inodes = {_inode(status) for status in statuses.values()}
        given_up = (partial for partial in self._partials.all() if partial.modified < then)
        partials = tuple(path for partial in given_up for path in partial.files)
        leftovers = (
            *sorted(self._links(records, inodes)),
            *(pull.note for pull in pulls if pull.begun < then),
            *_files([parts.contents.scratch]),
        )
        going = Counter(_inode(path.lstat()) for path in (*leftovers, *partials))
        contents = tuple(
            parts.contents.path(digest)
            for digest, status in statuses.items()
            if digest not in named and status.st_nlink - going[_inode(status)] <= 1
        )
        return GarbageReport(
            contents=contents,
            partials=partials,
            leftovers=leftovers,
            freed=size_of_last_names((*contents, *partials, *leftovers)),
        )

    def remove(self, garbage: GarbageReport) -> None:
        """Remove *garbage*, the contents last: while they have names, this can be repeated."""
        parts = self.parts
        for path in garbage.leftovers:
            unlink(path)
        for partial in self._partials.all():
            if set(partial.files) <= set(garbage.partials):
                self._partials.remove(partial)
        for path in garbage.contents:
            unlink(path)
        wanted = self._wanted_snapshots(parts.records.all())
        for directory in (parts.contents.scratch, *parts.snapshots.all()):
            if directory not in wanted:
                remove_tree(directory)
        for directory, _ in tuple(parts.tree.directories()):
            if any(directory in path.parents for path in garbage.leftovers):
                parts.tree.remove_empty(directory)
        parts.contents.index.prune(lambda digest: os.path.lexists(parts.contents.path(digest)))

    @property
    def _partials(self) -> Partials:
        return Partials(self.parts.contents.directory)

    def _wanted_snapshots(self, records: Iterable[ModelRecord]) -> set[Path]:
        """Return the snapshots of RamaLama's models, of upstream's models, and those in use."""
        tree = self.parts.tree
        found = (
            known_foreign(tree, reference)
            for directory, names in tree.directories()
            for path in refs_in(directory)
            if (reference := reference_at(names, path.name))
        )
        snapshots = self.parts.snapshots
        in_use = (path for path in snapshots.all() if snapshots.is_held(path))
        return {*map(snapshots.path, chain(records, filter(None, found))), *in_use}

    def _links(self, records: Iterable[ModelRecord], inodes: set[Inode]) -> set[Path]:
        """Return the names of contents, in *inodes*, that lead to no model."""
        wanted = self._wanted_snapshots(records)
        snapshots = (path for path in self.parts.snapshots.all() if path not in wanted)
        strays = (_strays(path, inodes) for path, _ in self.parts.tree.directories())
        return {*_files(snapshots), *chain.from_iterable(strays)}


def _inode(status: os.stat_result) -> Inode:
    return status.st_dev, status.st_ino


def _files(directories: Iterable[Path]) -> Iterator[Path]:
    """Yield everything in *directories* that is not itself a directory."""
    for directory in directories:
        for parent, below, files in os.walk(directory):
            paths = (Path(parent, name) for name in (*below, *files))
            yield from (path for path in paths if path.is_symlink() or not path.is_dir())


def _strays(directory: Path, inodes: set[Inode]) -> Iterator[Path]:
    """Yield links to contents in a model's directory that no reference there names."""
    try:
        refs = tuple(map(read_ref, refs_in(directory)))
    except StoreError:  # its names are unknown
        return
    named = {blob_path(directory, ref, file) for ref in refs for file in ref.files}
    snapshots = {directory / SNAPSHOTS / ref.snapshot for ref in refs}
    unnamed = (path for path in (directory / SNAPSHOTS).glob("*") if path not in snapshots)
    for path in (*_files(unnamed), *((directory / BLOBS).glob("*"))):
        if path not in named and _inode(path.lstat()) in inodes:
            yield path
