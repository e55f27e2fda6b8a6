"""Record unfinished pulls, so that they can be listed and removed.

BASE/pulls/SCHEME/HEX.json     {"version": 1, "reference": {…}, "blobs": [identity, …]}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import StoreError
from ramalama.models.formats.bounded_read import read_json
from ramalama.models.formats.model_files import Digest
from ramalama.models.store.atomic import unlink, write_whole
from ramalama.models.store.records import note_name, notes_below, parse_reference, reference_fields
from ramalama_values import frozen
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ramalama.models.download.values import RemoteBlob
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.cas import ContentStore
    from ramalama.models.store.partials import Partials

_VERSION = 1
_LARGEST = 16 * 1024 * 1024


@frozen()
class BegunPull:
    """A pull that was begun and has not ended.

    Attributes:
        note: the file that records it.
        identities: the identities of its blobs, see `RemoteBlob`.
        begun: in seconds since the epoch.
    """

    note: Path
    reference: ModelRef
    identities: frozenset[str]
    begun: float

    @property
    def digests(self) -> frozenset[Digest]:
        """The digests that are known for its blobs."""
        return frozenset(digest for each in self.identities if (digest := _digest(each)))


class Pulls:
    """The records of pulls below *base*; raises OSError if the disk cannot be used."""

    def __init__(self, base: Path, contents: ContentStore) -> None:
        self._directory = base / "pulls"
        self._contents = contents

    def begin(self, reference: ModelRef, blobs: Iterable[RemoteBlob]) -> None:
        """Record that *blobs* are about to be downloaded for *reference*."""
        fields = {
            "version": _VERSION,
            "reference": reference_fields(reference),
            "blobs": [blob.identity for blob in blobs],
        }
        content = json.dumps(fields).encode()
        path = self._directory / note_name(reference)
        write_whole(path, content, scratch=self._contents.scratch)

    def end(self, reference: ModelRef) -> None:
        """Remove the record of a pull; it need not exist."""
        unlink(self._directory / note_name(reference))

    def forget_unless_begun(self, reference: ModelRef, missing: Iterable[RemoteBlob]) -> None:
        """Remove the record of a pull if nothing of its *missing* blobs was downloaded."""
        identities = {blob.identity for blob in missing}
        complete = any(
            self._contents.find(digest) for each in identities if (digest := _digest(each))
        )
        if complete or any(
            each.done for each in self._partials.all() if each.identity in identities
        ):
            return
        self.end(reference)

    def find(self, reference: ModelRef) -> BegunPull | None:
        """Return the unfinished pull of *reference*; None if there is none."""
        return _read(self._directory / note_name(reference))

    def all(self) -> Iterator[BegunPull]:
        """Yield all unfinished pulls, in no order; invalid files are skipped."""
        yield from filter(None, map(_read, map(Path, notes_below(self._directory))))

    def remove(self, pull: BegunPull) -> int:
        """Remove a pull and the partial files that only it needs; return the freed bytes."""
        unlink(pull.note)
        others = {identity for other in self.all() for identity in other.identities}
        alone = pull.identities - others
        return sum(
            self._partials.remove(partial)
            for partial in self._partials.all()
            if partial.identity in alone
        )

    def sizes(self) -> Iterator[tuple[BegunPull, int]]:
        """Yield all unfinished pulls, each with the number of downloaded bytes."""
        pulls = tuple(self.all())
        done = {each.identity: each.done for each in self._partials.all()} if pulls else {}
        for pull in pulls:
            here = sum(map(self._contents.size, pull.digests))
            yield pull, here + sum(done.get(identity, 0) for identity in pull.identities)

    @property
    def _partials(self) -> Partials:
        from ramalama.models.store.partials import Partials  # noqa: PLC0415 (few have such pulls)

        return Partials(self._contents.directory)


def _read(path: Path) -> BegunPull | None:
    try:
        value = read_json(path, limit=_LARGEST)
        if not is_object(value) or value.get("version") != _VERSION:
            return None
        blobs = value.get("blobs")
        return BegunPull(
            note=path,
            reference=parse_reference(value.get("reference")),
            identities=frozenset(map(str, blobs if is_array(blobs) else ())),
            begun=path.stat().st_mtime,
        )
    except (StoreError, ValueError, FileNotFoundError):
        return None


def _digest(identity: str) -> Digest | None:
    try:
        return Digest.parse(identity)
    except ValueError:
        return None
