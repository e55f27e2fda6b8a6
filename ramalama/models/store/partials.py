"""Find and remove the files of interrupted downloads, which `ramalama.models.download` writes.

BASE/cas/partial/KEY.data, KEY.json     bytes, and a journal of them
BASE/cas/locks/KEY.lock                 held by the process that downloads
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.errors import StoreError
from ramalama.models.download import journal
from ramalama.models.download.journal import Journal
from ramalama.models.formats.bounded_read import read_bytes
from ramalama.models.store.atomic import unlink
from ramalama.system.locks import InUse, locked, refuse_to_wait
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@frozen()
class PartialBlob:
    """The files of one interrupted download.

    Attributes:
        identity: see `RemoteBlob`; None without a journal, and then the files are useless.
        done: the bytes that were downloaded.
        modified: the time of the last write, in seconds since the epoch.
    """

    files: tuple[Path, ...]
    identity: str | None
    done: int
    modified: float


class Partials:
    """The partial files below *directory*, which is the downloader's directory."""

    def __init__(self, directory: Path) -> None:
        self._partials = directory / "partial"
        self._locks = directory / "locks"

    def all(self) -> Iterator[PartialBlob]:
        """Yield all partial files, in the order of their keys."""
        files: dict[str, list[Path]] = {}
        for path in sorted(self._partials.glob("*")):
            files.setdefault(path.name.partition(".")[0], []).append(path)
        for key, paths in files.items():
            with suppress(FileNotFoundError):  # it has just been completed
                found = _read_journal(self._partials / f"{key}.json")
                yield PartialBlob(
                    files=tuple(paths),
                    identity=found.identity if found else None,
                    done=sum(span.end - span.start for span in found.spans) if found else 0,
                    modified=max(path.lstat().st_mtime for path in paths),
                )

    def remove(self, partial: PartialBlob) -> int:
        """Remove an interrupted download unless a process continues it; return the freed bytes."""
        key = partial.files[0].name.partition(".")[0]
        freed = 0
        with suppress(InUse), locked(self._locks / f"{key}.lock", on_wait=refuse_to_wait):
            # Remove the journal first: without it, no process uses the bytes.
            freed = sum(map(unlink, sorted(partial.files, key=_journal_first)))
        return freed


def _journal_first(path: Path) -> bool:
    return path.suffix != ".json"


def _read_journal(path: Path) -> Journal | None:
    try:
        return Journal.parse(read_bytes(path, limit=journal.LARGEST))
    except (FileNotFoundError, StoreError, ValueError):
        return None
