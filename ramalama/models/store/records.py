"""The records that the store keeps of models, which hold what upstream's files cannot.

The file of a record is named by the SHA-256 of the reference. Such a name is always valid and
unique, whatever the length of the reference, and whether or not the file system ignores letter
case.

    BASE/refs2/SCHEME/HEX.json
    {"version": 1, "reference": {"scheme", "location", "tag"}, "revision", "pulled": ISO 8601,
     "extra": {…}, "files": [{"name", "kind", "sha256", "size"}, …]}
"""

from __future__ import annotations

import json
import os
from dataclasses import field, replace
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported, StoreError
from ramalama.models.formats.bounded_read import read_json
from ramalama.models.formats.model_files import Digest, FileKind, check_together, checked_name
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.atomic import sync_directory, write_whole
from ramalama_values import frozen
from ramalama_values.json import is_array, is_count, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path


@frozen()
class StoredFile:
    """A file of a model in the store.

    Attributes:
        name: relative path within the model, with "/"; see `checked_name`.
        digest: of its content, computed or verified by RamaLama.
        size: in bytes.
    """

    name: str
    kind: FileKind
    digest: Digest
    size: int

    def __post_init__(self) -> None:
        """Reject a name that would escape its directory; raise ModelUnsupported."""
        checked_name(self.name)


@frozen()
class ModelRecord:
    """A model that is complete in the store.

    Attributes:
        files: in the order in which a server loads them; their names can coexist in one directory.
        pulled: when it was completed; in UTC, with a time zone.
        revision: its version at the source: a commit, or the digest of a manifest.
        extra: other information of its source, by the transport's names.
    """

    reference: ModelRef
    files: tuple[StoredFile, ...]
    pulled: datetime
    revision: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Reject an empty list of files, and conflicting names; raise ModelUnsupported."""
        if not self.files:
            msg = f"{self.reference} has no files"
            raise ModelUnsupported(msg)
        check_together(file.name for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of all its files, including those shared with other models."""
        return sum(file.size for file in self.files)


_VERSION = 1
_NOTE = ".json"
_LARGEST = 16 * 1024 * 1024
_MOST_FILES = 50_000
_HUBS = (Scheme.HUGGINGFACE, Scheme.MODELSCOPE)


def identity(reference: ModelRef) -> ModelRef:
    """Return the same reference for all that mean the same model: quantisations ignore case."""
    if reference.scheme not in _HUBS:
        return reference
    tag = reference.tag.upper()
    return replace(reference, tag="" if tag == "LATEST" else tag)


def note_name(reference: ModelRef) -> str:
    """Return the path of a record's file, ``SCHEME/HEX.json``."""
    import hashlib  # noqa: PLC0415 (listing all models does not need it)

    same = identity(reference)
    key = os.fsencode(f"{same.location}\0{same.tag}")
    return f"{same.scheme}/{hashlib.sha256(key).hexdigest()}{_NOTE}"


def notes_below(directory: Path) -> Iterator[str]:
    """Yield the paths of the records in *directory*, in no order; none if it does not exist."""
    for scheme in _entries(os.fspath(directory)):
        yield from (path for path in _entries(scheme) if path.endswith(_NOTE))


def _entries(directory: str) -> Sequence[str]:
    try:
        return [f"{directory}/{name}" for name in os.listdir(directory)]  # noqa: PTH208 (making Paths takes longer than reading the directory)
    except (FileNotFoundError, NotADirectoryError):
        return ()


class Records:
    """The records below *base*; raises OSError if the disk cannot be used."""

    def __init__(self, base: Path) -> None:
        self._directory = base / "refs2"
        self._scratch = base / "tmp"

    def find(self, reference: ModelRef) -> ModelRecord | None:
        """Return the record of *reference*; None if there is none that this version can read."""
        try:
            record = read_record(self._path(reference))
        except (FileNotFoundError, NotADirectoryError, StoreError):
            return None
        return record if identity(record.reference) == identity(reference) else None

    def write(self, record: ModelRecord) -> None:
        """Write a record; it replaces an older record of the same reference."""
        content = json.dumps(_fields(record), indent=1).encode()
        write_whole(self._path(record.reference), content, scratch=self._scratch)

    def remove(self, reference: ModelRef) -> bool:
        """Remove a record, durably; return False if there was none."""
        path = self._path(reference)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        sync_directory(path.parent)
        return True

    def all(self) -> Iterator[ModelRecord]:
        """Yield all records, in no order; those that cannot be read are skipped."""
        for path in self._paths():
            try:
                yield read_record(path)
            except (FileNotFoundError, StoreError):
                continue

    def all_or_nothing(self) -> Iterator[ModelRecord]:
        """Yield all records, in no order, for a caller that removes files without a record.

        Raises:
            StoreError: a record cannot be read, perhaps because a newer version wrote it.
        """
        for path in self._paths():
            try:
                yield read_record(path)
            except StoreError as exc:
                hint = "remove that file if no other version of this program wrote it"
                raise StoreError(exc.message, hint=hint) from exc

    def _paths(self) -> Iterator[str]:
        return notes_below(self._directory)

    def _path(self, reference: ModelRef) -> Path:
        return self._directory / note_name(reference)


def read_record(path: Path | str) -> ModelRecord:
    """Read one record.

    Raises:
        StoreError: it is not a record of this version.
        OSError: it cannot be read.
    """
    try:
        return _parse(read_json(path, limit=_LARGEST))
    except (ValueError, ModelUnsupported) as exc:
        msg = f"{path} is not the record of a model: {exc}"
        raise StoreError(msg) from None


def reference_fields(reference: ModelRef) -> dict[str, str]:
    """Return *reference* as JSON fields, which `parse_reference` reads."""
    return {"scheme": reference.scheme, "location": reference.location, "tag": reference.tag}


def parse_reference(value: object) -> ModelRef:
    """Parse the reference in a record.

    Raises:
        ValueError: *value* is not a reference.
    """
    fields = value if is_object(value) else {}
    return ModelRef(
        Scheme(_text(fields.get("scheme"))),
        _text(fields.get("location")),
        _text(fields.get("tag")),
    )


def _fields(record: ModelRecord) -> dict[str, object]:
    return {
        "version": _VERSION,
        "reference": reference_fields(record.reference),
        "revision": record.revision,
        "pulled": record.pulled.isoformat(),
        "extra": dict(record.extra),
        "files": [
            {"name": file.name, "kind": file.kind, "sha256": file.digest.hex, "size": file.size}
            for file in record.files
        ],
    }


def _parse(value: object) -> ModelRecord:
    if not is_object(value) or value.get("version") != _VERSION:
        msg = f"it has no version {_VERSION}"
        raise ValueError(msg)
    files = value.get("files")
    if not is_array(files) or len(files) > _MOST_FILES:
        msg = f"it has no list of files, of {_MOST_FILES} at most"
        raise ValueError(msg)
    revision = value.get("revision")
    return ModelRecord(
        reference=parse_reference(value.get("reference")),
        files=tuple(map(_parse_file, files)),
        pulled=_parse_time(value.get("pulled")),
        revision=None if revision is None else _text(revision),
        extra=_parse_extra(value.get("extra")),
    )


def _parse_file(value: object) -> StoredFile:
    fields = value if is_object(value) else {}
    size = fields.get("size")
    if not is_count(size):
        msg = "a file has no size"
        raise ValueError(msg)
    return StoredFile(
        name=_text(fields.get("name")),
        kind=FileKind(_text(fields.get("kind"))),
        digest=Digest.parse(_text(fields.get("sha256"))),
        size=size,
    )


def _parse_time(value: object) -> datetime:
    from datetime import datetime  # noqa: PLC0415 (keeps the common import light)

    time = datetime.fromisoformat(_text(value))
    if time.tzinfo is None:
        msg = "its time has no zone"
        raise ValueError(msg)
    return time


def _parse_extra(value: object) -> dict[str, str]:
    if not is_object(value):
        msg = "its extra fields are not an object"
        raise ValueError(msg)
    return {key: _text(text) for key, text in value.items()}


def _text(value: object) -> str:
    if not isinstance(value, str):
        msg = f"{value!r:.40} is not text"
        raise ValueError(msg)  # noqa: TRY004 (an error of the file, not of the caller)
    if not value.isascii():
        os.fsencode(value)  # rejects half of a surrogate pair
    return value
