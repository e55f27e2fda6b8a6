"""Take files of other programs into the store, if possible without copying them.

Such a file is not trusted: it is read, and its digest is computed. Then the content becomes one of
these, in this order:

1.  a hard link: the same inode, which exists as long as either program has a name for it;
2.  a clone, if the file's owner forbids hard links (``fs.protected_hardlinks``, proc(5)) and the
    file system shares blocks (Btrfs, XFS; ioctl_ficlone(2));
3.  a symbolic link, which is valid only while the other program keeps the file.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ramalama.models.store.atomic import NO_LINK, scratch_path
from ramalama.models.store.cas import READ_ONLY, digest_of
from ramalama.models.store.digest_index import Identity
from ramalama_values.directories import READABLE, make_directories

if TYPE_CHECKING:
    from collections.abc import Generator
    from io import FileIO
    from pathlib import Path

    from ramalama.models.formats.model_files import Digest
    from ramalama.models.store.cas import ContentStore

_FICLONE = 0x40049409


def adopt(contents: ContentStore, path: Path, *, expected: Digest | None = None) -> Digest | None:
    """Take the file *path* into the store, and return its digest.

    Return None, and keep nothing, if its digest is not *expected*, or if the file cannot be read or
    changes meanwhile. The whole file is read, unless its digest is known already.

    Raises:
        OSError: the store cannot be written to.
    """
    with _open_regular(path) as file:
        if file is None:
            return None
        digest = _read(contents, file)
        if digest is None or expected not in (None, digest):
            return None
        if contents.find(digest) is None and not _bring_in(contents, path.resolve(), file, digest):
            return None
        return digest


def known_digest(contents: ContentStore, path: Path) -> Digest | None:
    """Return the digest of the file *path* if it is known without reading the file."""
    try:
        return contents.index.find(path.stat())
    except OSError:
        return None


@contextmanager
def _open_regular(path: Path) -> Generator[FileIO | None]:
    """Open a regular file without blocking on a FIFO; yield None for anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        yield None
        return
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 (a descriptor is not a path)
        yield file


def _read(contents: ContentStore, file: FileIO) -> Digest | None:
    before = os.fstat(file.fileno())
    digest = contents.index.find(before)
    if digest is None:
        digest = digest_of(file)
        if Identity.of(os.fstat(file.fileno())) != Identity.of(before):
            return None
        contents.index.remember(before, digest)
    return digest


def _bring_in(contents: ContentStore, path: Path, file: FileIO, digest: Digest) -> bool:
    """Take *path* into the store; return False if it has been removed meanwhile."""
    target = contents.path(digest)
    make_directories(target.parent, mode=READABLE)
    with scratch_path(contents.scratch) as new:
        if not _link(path, new, file) and not _clone(file, new):
            if not path.exists():
                return False
            new.symlink_to(path)
        new.replace(target)
    return True


def _link(path: Path, new: Path, file: FileIO) -> bool:
    try:
        new.hardlink_to(path)
    except OSError as exc:
        if exc.errno not in NO_LINK | {errno.ENOENT}:
            raise
        return False
    if os.path.samestat(new.lstat(), os.fstat(file.fileno())):
        return True
    new.unlink()  # another file has replaced it since it was opened
    return False


def _clone(file: FileIO, new: Path) -> bool:
    import fcntl  # noqa: PLC0415 (rarely needed)

    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, READ_ONLY)
    try:
        fcntl.ioctl(descriptor, _FICLONE, file.fileno())
        os.fsync(descriptor)
    except OSError:
        with suppress(FileNotFoundError):
            new.unlink()
        return False
    finally:
        os.close(descriptor)
    return True
