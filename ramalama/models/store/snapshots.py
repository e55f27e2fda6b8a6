"""Keep the files of a model together under their own names, for a server to read.

    BASE/snapshots/HEX/FILE      hard links to the contents; HEX is the SHA-256 of the file list

A container sees only what is mounted, and not the target of a symbolic link outside: hence hard
links. A snapshot never changes, and models with the same files share it; so a server keeps its
files when a newer version of the model arrives. Upstream's snapshots cannot be used: they are named
by one file, and another tag of the model changes the others.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ramalama.models.store.atomic import link, scratch_path
from ramalama.models.store.cas import held, unless_held
from ramalama_values.directories import READABLE, make_directories

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from ramalama.models.store.cas import ContentStore
    from ramalama.models.store.records import ModelRecord

_THERE_ALREADY = frozenset({errno.EEXIST, errno.ENOTEMPTY})


class Snapshots:
    """The snapshots below *base*; raises OSError if the disk cannot be used."""

    def __init__(self, base: Path, contents: ContentStore) -> None:
        self._directory = base / "snapshots"
        self._contents = contents

    def path(self, record: ModelRecord) -> Path:
        """Return the directory of a model's files, whether it exists or not."""
        import hashlib  # noqa: PLC0415 (listing all models does not need it)

        lines = sorted(f"{file.digest.hex} {file.name}\n" for file in record.files)
        return self._directory / hashlib.sha256("".join(lines).encode()).hexdigest()

    def ensure(self, record: ModelRecord) -> Path:
        """Return the directory of a model's files; create or repair it if necessary."""
        path = self.path(record)
        if path.is_dir():
            self._fill(path, record)
            return path
        make_directories(self._directory, mode=READABLE)
        with scratch_path(self._contents.scratch) as new:
            self._fill(new, record)
            try:
                new.rename(path)
            except OSError as exc:  # another process was faster, with the same files
                if exc.errno not in _THERE_ALREADY:
                    raise
        return path

    @contextmanager
    def held(self, path: Path) -> Generator[None]:
        """Protect the snapshot that contains *path* from `remove` and the garbage collector.

        Other paths need no protection. The caller must hold the lock of the records when it enters.
        """
        if self._directory not in path.parents:
            yield
            return
        snapshot = self._directory / path.relative_to(self._directory).parts[0]
        with held(self._contents.locks, f"snapshot-{snapshot.name}"):
            yield

    def is_held(self, snapshot: Path) -> bool:
        """Return whether a server reads from *snapshot*.

        The caller must prevent servers from starting to, by the lock of the records or of the
        store.
        """
        with unless_held(self._contents.locks, f"snapshot-{snapshot.name}") as free:
            return not free

    def all(self) -> Iterator[Path]:
        """Yield all snapshots, in no order."""
        with suppress(FileNotFoundError):
            yield from self._directory.iterdir()

    def _fill(self, directory: Path, record: ModelRecord) -> None:
        for file in record.files:
            name = directory / file.name
            make_directories(name.parent, mode=READABLE)
            link(self._contents.path(file.digest), name, scratch=self._contents.scratch)
