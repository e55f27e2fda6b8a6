"""Store the contents of all models, each once, named by its digest.

    BASE/cas/sha256/ab/cdef…     a content, read-only; its first two digits name the directory
    BASE/cas/partial/            unfinished downloads, see `ramalama.models.download`
    BASE/cas/locks/              files for flock(2)
    BASE/cas/index.json          digests of adopted contents, see `digest_index`
    BASE/tmp/                    files that are being created

A content may be a symbolic link to another program's file, if a hard link was not possible; the
index tells whether that file is unchanged.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from ramalama.models.formats.model_files import Digest
from ramalama.models.store.atomic import NO_LINK, sync_directory, unlink
from ramalama.system.locks import InUse, locked, refuse_to_wait
from ramalama_values.directories import READABLE, make_directories

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from io import BufferedReader, FileIO
    from pathlib import Path

    from ramalama.models.download.values import FetchedBlob
    from ramalama.models.store.digest_index import DigestIndex


READ_ONLY = 0o444
_WRITABLE = 0o222


class ContentStore:
    """The contents below *base*; safe for several threads and processes at once.

    Attributes:
        directory: the directory of contents, partial files and locks; the downloader uses it, too.
        locks: the directory of files for flock(2).
        scratch: the directory where files are created before they are renamed.

    Methods raise OSError if the disk cannot be used.
    """

    def __init__(self, base: Path) -> None:
        self.directory = base / "cas"
        self.locks = self.directory / "locks"
        self.scratch = base / "tmp"

    @property
    def index(self) -> DigestIndex:
        """The known digests of files that other programs can change."""
        from ramalama.models.store.digest_index import (  # noqa: PLC0415 (few stores have such files)
            DigestIndex,
        )

        return DigestIndex(self.directory / "index.json", scratch=self.scratch)

    def path(self, digest: Digest) -> Path:
        """Return the path of the content of *digest*, whether it exists or not."""
        return self.directory.joinpath("sha256", digest.hex[:2], digest.hex[2:])

    def find(self, digest: Digest) -> Path | None:
        """Return the path of a content; None if it is missing or may have been changed."""
        return self.path(digest) if self.has(digest) else None

    def has(self, digest: Digest) -> bool:
        """Return whether a content exists, by the same rule as `find`."""
        path = f"{self.directory}/sha256/{digest.hex[:2]}/{digest.hex[2:]}"
        try:
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) and not status.st_mode & _WRITABLE:
                return True
            return self.index.find(os.stat(path)) == digest  # noqa: PTH116 (making a Path takes as long as all of this)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def size(self, digest: Digest) -> int:
        """Return the size of a content in bytes; 0 if it is missing."""
        path = self.find(digest)
        with suppress(FileNotFoundError):
            return 0 if path is None else path.stat().st_size
        return 0

    def put(self, fetched: FetchedBlob) -> Path:
        """Move a complete and verified file into the store, durably; an existing content is kept.

        If another process puts the same content at the same time, both succeed.
        """
        target = self.path(fetched.digest)
        make_directories(target.parent, mode=READABLE)
        try:
            _make_durable(fetched.path)
            self._move(fetched.path, target, fetched.digest)
        except FileNotFoundError:
            if self.find(fetched.digest) is None:
                raise
        sync_directory(target.parent)
        return target

    def _move(self, source: Path, target: Path, digest: Digest) -> None:
        try:
            target.hardlink_to(source)  # unlike rename(2), this keeps an existing inode
        except FileExistsError:
            if self.find(digest) is None:
                source.replace(target)
        except OSError as exc:
            if exc.errno not in NO_LINK:
                raise
            source.replace(target)
        source.unlink(missing_ok=True)

    def verify(self, digest: Digest) -> bool:
        """Return whether a content matches its digest, by reading it; False if it is missing."""
        try:
            with self.path(digest).open("rb") as file:
                return digest_of(file) == digest
        except FileNotFoundError:
            return False

    @contextmanager
    def held(self, digests: Iterable[Digest]) -> Generator[None]:
        """Protect contents without a model from removal during the block."""
        with ExitStack() as stack:
            for digest in digests:
                stack.enter_context(held(self.locks, digest.file_name))
            yield

    def release(self, digest: Digest) -> int:
        """Remove a content that has no other name, and return how many bytes that freed.

        A content that is held is kept; the last holder releases it.
        """
        path = self.path(digest)
        with suppress(FileNotFoundError), unless_held(self.locks, digest.file_name) as free:
            return unlink(path) if free and path.lstat().st_nlink == 1 else 0
        return 0

    def all(self) -> Iterator[Digest]:
        """Yield the digests of all contents, in no order."""
        for entry in self.directory.glob("sha256/??/*"):
            name = entry.parent.name + entry.name
            try:
                yield Digest.parse(name)
            except ValueError:  # not a content
                continue


def digest_of(file: FileIO | BufferedReader) -> Digest:
    """Compute the digest of *file*, at about one gigabyte a second."""
    import hashlib  # noqa: PLC0415 (not needed for existing contents)

    return Digest(hashlib.file_digest(file, "sha256").hexdigest())


def _make_durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, READ_ONLY)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def held(locks: Path, name: str) -> Generator[None]:
    """Protect the files called *name* during the block."""
    with locked(_lock(locks, name), shared=True):
        yield


@contextmanager
def unless_held(locks: Path, name: str) -> Generator[bool]:
    """Prevent other processes from holding *name*; yield False if one holds it already."""
    lock = _lock(locks, name)
    with ExitStack() as alone:
        try:
            alone.enter_context(locked(lock, on_wait=refuse_to_wait))
        except InUse:
            yield False
            return
        lock.unlink(missing_ok=True)  # otherwise there would be one for each model
        yield True


def _lock(locks: Path, name: str) -> Path:
    return locks / f"{name}.held.lock"
