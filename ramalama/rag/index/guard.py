"""Open an index that may come from a stranger: read-only, and only if it has the expected form.

SQLite reads damaged files without harm, but it also runs what a file's schema says: triggers,
views, generated columns. So the schema must be exactly our own, before any table is read. What is
read is bounded in size and time.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import struct
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from ramalama.errors import IndexInvalid, IndexNotFound
from ramalama.rag.index.schema import (
    APPLICATION_ID,
    FILE_NAME,
    FORMAT,
    LARGEST_VALUE,
    expected_schema,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_MAGIC = b"SQLite format 3\x00"
_HEADER = 100  # bytes; https://www.sqlite.org/fileformat.html, 1.3
_QDRANT = ("collection", "meta.json")
_STEPS = 5000  # of SQLite's virtual machine, between two looks at the clock

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: LARGEST_VALUE,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 10,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 16,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 1000,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


class Guard:
    """A connection to a stranger's index; each use ends in time, or with an `IndexInvalid`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._deadline = float("inf")
        self.connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            with self.limited(seconds=5):
                self._prepare()
                self._check_schema()
        except BaseException:
            self.connection.close()
            raise

    @contextmanager
    def limited(self, *, seconds: float) -> Generator[sqlite3.Connection]:
        """Use the connection in the block, for a bounded time.

        Raises:
            IndexInvalid: the file is damaged, or it takes too long.
        """
        self._deadline = time.monotonic() + seconds
        try:
            yield self.connection
        # A column of SQLite's may have a value of any type, whatever was declared.
        # Of a damaged list, SQLite may want more memory than there is.
        except (sqlite3.Error, MemoryError, OverflowError, TypeError, ValueError) as exc:
            late = time.monotonic() > self._deadline
            what = str(exc) or type(exc).__name__
            why = f"takes longer than {seconds:.0f} s to read" if late else f"is damaged ({what})"
            msg = f"{self._path}: the index {why}"
            raise IndexInvalid(msg, hint="make it again with `ramalama rag`") from exc

    def _prepare(self) -> None:
        for limit, value in _LIMITS.items():
            self.connection.setlimit(limit, value)
        for pragma in (
            *("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0"),
            *("temp_store = MEMORY", "cache_size = -4096"),
        ):
            self.connection.execute(f"PRAGMA {pragma}")
        self.connection.set_progress_handler(self._is_late, _STEPS)

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def _check_schema(self) -> None:
        expected = expected_schema()
        # SQLite takes some rows that come twice, behind which others could hide.
        rows = self.connection.execute(
            "SELECT type, name, sql FROM sqlite_schema LIMIT ?", (len(expected) + 1,)
        ).fetchall()
        config = "SELECT k, v FROM words_config LIMIT 2"
        if (
            len(rows) != len(expected)
            or frozenset(rows) != expected
            or self.connection.execute(config).fetchall() != [("version", 4)]
        ):
            msg = f"{self._path}: this is no index that `ramalama rag` has made"
            raise IndexInvalid(msg)


def find_index(path: Path) -> Path:
    """Return the file of the index at *path*, which may be its directory.

    Raises:
        IndexNotFound: there is none.
        IndexInvalid: another program or version has made it, or the file is something else.
    """
    if path.is_dir():
        if (path / FILE_NAME).exists():
            return find_index(path / FILE_NAME)
        if all((path / name).exists() for name in _QDRANT):
            raise _of_upstream(path)
        msg = f"{path}: there is no index in this directory"
        raise IndexNotFound(msg, hint=f"make one: `ramalama rag DOCUMENT… {path}`")
    problem = problem_in(_head(path))
    if problem:
        msg = f"{path}: {problem}"
        raise IndexInvalid(msg, hint=f"make an index: `ramalama rag DOCUMENT… {path.stem}.db`")
    return path


def is_index(path: Path) -> bool:
    """Return whether the file at *path* begins as an index of any version does."""
    try:
        head = _head(path)
    except (IndexNotFound, IndexInvalid, OSError):
        return False
    return head[68:72] == APPLICATION_ID.to_bytes(4) and head.startswith(_MAGIC)


def is_of_upstream(path: Path) -> bool:
    """Return whether *path* is a directory with an index of upstream's format, Qdrant."""
    return path.is_dir() and all((path / name).exists() for name in _QDRANT)


def _of_upstream(path: Path) -> IndexInvalid:
    msg = f"{path}: this is an index of Qdrant, which other versions of ramalama make"
    return IndexInvalid(
        msg, hint="make a new one of the documents: `ramalama rag DOCUMENT… NAME.db`"
    )


def _head(path: Path) -> bytes:
    """Return the first bytes of the file at *path*.

    Raises:
        IndexNotFound, IndexInvalid: there is no file, or it is a device, a pipe or a socket.
        OSError: it cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        msg = f"{path}: there is no index"
        raise IndexNotFound(msg, hint=f"make one: `ramalama rag DOCUMENT… {path}`") from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            msg = f"{path}: an index is a regular file"
            raise IndexInvalid(msg)
        return os.read(handle, _HEADER)
    finally:
        os.close(handle)


def problem_in(head: bytes) -> str | None:
    """Return why a file that begins with *head*, of any length, is no index; None if it may be."""
    if len(head) < _HEADER or not head.startswith(_MAGIC):
        return "this is not an index"
    version, application = struct.unpack(">I4xI", head[60:72])
    if application != APPLICATION_ID:
        return "this is a database, but not an index of documents"
    if version != FORMAT:
        return f"this index has the format {version}, but this version of ramalama reads {FORMAT}"
    return None
