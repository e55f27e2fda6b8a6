"""The texts of pictures that were read, in a file beside the index.

Reading takes long, so they outlive a build: an interrupted one, one with another embedding model,
and a document of which a page has changed do not read the same picture again.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from ramalama.rag.index.schema import LONGEST_TEXT

if TYPE_CHECKING:
    from pathlib import Path

_TABLE = (
    "CREATE TABLE IF NOT EXISTS picture(id INTEGER PRIMARY KEY, digest BLOB NOT NULL,"
    " model TEXT NOT NULL, text TEXT NOT NULL, UNIQUE(digest, model))"
)
_MOST = 50_000  # pictures; the oldest ones go first


class PageFile:
    """Texts by the SHA-256 of their pictures and by what names the model that has read them."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        try:
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(_TABLE)
            self.find(b"", "")
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file, or begin a new one; one that is damaged is replaced.

        Raises:
            OSError, sqlite3.Error: it can be neither opened nor created.
        """
        with suppress(sqlite3.DatabaseError):
            return cls(path)
        for end in ("", "-journal"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        return cls(path)

    def find(self, digest: bytes, model: str) -> str | None:
        """Return the text of a picture; None if it was not read by this model."""
        row: tuple[object] | None = self._connection.execute(
            "SELECT text FROM picture WHERE digest = ? AND model = ?", (digest, model)
        ).fetchone()
        text = row[0] if row else None
        return text if isinstance(text, str) and len(text) <= LONGEST_TEXT else None

    def add(self, digest: bytes, model: str, text: str) -> None:
        """Keep the text of a picture, and write it to the disk."""
        self._connection.execute(
            "INSERT OR REPLACE INTO picture(digest, model, text) VALUES (?, ?, ?)",
            (digest, model, text),
        )

    def close(self) -> None:
        """Leave the oldest texts out if there are too many, and close the file."""
        with suppress(sqlite3.Error):  # the file is of use as it is
            self._connection.execute(
                "DELETE FROM picture WHERE id <= (SELECT max(id) FROM picture) - ?", (_MOST,)
            )
        self._connection.close()
