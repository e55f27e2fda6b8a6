"""Remember the digests of files that other programs can change.

RamaLama's own contents are read-only. For a file that another program has, too (an adopted file),
the digest is trusted as long as the file is the same inode with the same size and time, so that
forty gigabytes need not be read again. Without this file, they are only read again. It is JSON:

    {"version": 1, "files": [[device, inode, size, mtime in ns, "sha256 in hex"], …]}
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, Self

from ramalama.errors import StoreError
from ramalama.models.formats.bounded_read import read_json
from ramalama.models.formats.model_files import Digest
from ramalama.models.store.atomic import write_whole
from ramalama.system.locks import locked
from ramalama_values.json import is_array, is_count, is_object

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

_VERSION = 1
_LARGEST = 16 * 1024 * 1024
_ROW = 5


class Identity(NamedTuple):
    """Values of a file that change when it is written to; *modified* is in nanoseconds."""

    device: int
    inode: int
    size: int
    modified: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Return the identity in the result of stat(2)."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class DigestIndex:
    """The index in the file *path*, with a lock for processes that write it."""

    def __init__(self, path: Path, *, scratch: Path) -> None:
        self._path = path
        self._lock = path.parent / "locks/index.lock"
        self._scratch = scratch

    def find(self, status: os.stat_result) -> Digest | None:
        """Return the digest of a file that has not changed; None if it is unknown."""
        return self._read().get(Identity.of(status))

    def remember(self, status: os.stat_result, digest: Digest) -> None:
        """Record the file's digest; an older entry of the same inode is removed."""
        new = Identity.of(status)
        with locked(self._lock):
            files = {old: known for old, known in self._read().items() if old[:2] != new[:2]}
            self._write({**files, new: digest})

    def prune(self, wanted: Callable[[Digest], bool]) -> None:
        """Remove the entries of contents that are not *wanted*."""
        with locked(self._lock):
            files = self._read()
            kept = {identity: digest for identity, digest in files.items() if wanted(digest)}
            if len(kept) < len(files):
                self._write(kept)

    def _read(self) -> dict[Identity, Digest]:
        try:
            value = read_json(self._path, limit=_LARGEST)
        except (FileNotFoundError, StoreError):
            return {}
        rows = value.get("files") if is_object(value) and value.get("version") == _VERSION else None
        found = map(_parse, rows) if is_array(rows) else ()
        return dict(row for row in found if row is not None)

    def _write(self, files: dict[Identity, Digest]) -> None:
        rows = [(*identity, digest.hex) for identity, digest in files.items()]
        content = json.dumps({"version": _VERSION, "files": rows}).encode()
        write_whole(self._path, content, scratch=self._scratch)


def _parse(row: object) -> tuple[Identity, Digest] | None:
    if not is_array(row) or len(row) != _ROW:
        return None
    *numbers, digest = row
    device, inode, size, modified = (number if is_count(number) else -1 for number in numbers)
    try:
        return Identity(device, inode, size, modified), Digest.parse(str(digest))
    except ValueError:
        return None
