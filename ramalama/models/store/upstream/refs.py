"""Read and write upstream's ref files, which describe a tag; upstream 0.25, version v1.0.1.

    {"files": [{"hash": "sha256:HEX", "name": "a/b.gguf", "type": "gguf"}, …],
     "hash": "sha256-HEX", "path": the absolute path of this file, "version": "v1.0.1"}

A file's hash is the name of its blob and, despite its name, not always the digest of the content;
the outer hash is the name of the snapshot. Older versions did not write JSON but lines, in a file
without ``.json``; such files are read, but never changed:

    HASH OF THE SNAPSHOT
    NAME---model | NAME---chat | NAME---mmproj | NAME
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported, StoreError
from ramalama.models.formats.bounded_read import read_bytes, read_json
from ramalama.models.formats.model_files import FileKind, checked_name
from ramalama_values import frozen
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.store.records import ModelRecord

_VERSION = "v1.0.1"
_LARGEST = 4 * 1024 * 1024
_TYPES = (FileKind.GGUF, FileKind.SAFETENSORS, FileKind.PROJECTOR, FileKind.CHAT_TEMPLATE)
_OLD_TYPES = {
    "model": FileKind.GGUF,
    "chat": FileKind.CHAT_TEMPLATE,
    "mmproj": FileKind.PROJECTOR,
}


@frozen()
class UpstreamFile:
    """A file of a model of upstream's.

    Attributes:
        blob: the name of its blob; None in a file of the old format, which does not have it.
    """

    name: str
    kind: FileKind
    blob: str | None


@frozen()
class UpstreamRef:
    """The content of a ref file; all names in it can safely be joined to a directory."""

    snapshot: str
    files: tuple[UpstreamFile, ...]


def upstream_ref(record: ModelRecord) -> UpstreamRef:
    """Return the ref of a record; files of a type that upstream does not know are ``other``."""
    weights = next((file for file in record.files if file.kind in _TYPES[:2]), record.files[0])
    return UpstreamRef(
        snapshot=weights.digest.file_name,
        files=tuple(
            UpstreamFile(
                name=file.name,
                kind=file.kind if file.kind in _TYPES else FileKind.OTHER,
                blob=file.digest.file_name,
            )
            for file in record.files
        ),
    )


def format_ref(ref: UpstreamRef, path: Path) -> bytes:
    """Return the content of the ref file *path*."""
    files = [
        # The blob's name with a colon, as upstream writes it; in a file name, it is a dash.
        {"hash": (file.blob or "").replace("-", ":", 1), "name": file.name, "type": file.kind}
        for file in ref.files
    ]
    fields = {"files": files, "hash": ref.snapshot, "path": str(path), "version": _VERSION}
    return json.dumps(fields, sort_keys=True, indent=2).encode()


def read_ref(path: Path) -> UpstreamRef:
    """Read a file of either format.

    Raises:
        StoreError: it is not a ref file of upstream's.
        OSError: it cannot be read.
    """
    try:
        if path.suffix == ".json":
            return _parse(read_json(path, limit=_LARGEST))
        return _parse_old(read_bytes(path, limit=_LARGEST).decode().splitlines())
    except (ValueError, ModelUnsupported) as exc:
        msg = f"{path} is not a reference of RamaLama's: {exc}"
        raise StoreError(msg) from None


def _parse(value: object) -> UpstreamRef:
    if not is_object(value) or not is_array(files := value.get("files")):
        msg = "it has no list of files"
        raise ValueError(msg)
    return UpstreamRef(
        snapshot=_file_name(value.get("hash")), files=tuple(_parse_file(file) for file in files)
    )


def _parse_file(value: object) -> UpstreamFile:
    fields = value if is_object(value) else {}
    name = checked_name(str(fields.get("name", "")))
    kind = fields.get("type")
    known = FileKind(str(kind)) if kind in _TYPES else FileKind.OTHER
    return UpstreamFile(name=name, kind=_kind(name, known), blob=_file_name(fields.get("hash")))


def _parse_old(lines: list[str]) -> UpstreamRef:
    snapshot, *rest = lines or [""]
    return UpstreamRef(
        snapshot=_file_name(snapshot), files=tuple(map(_parse_line, filter(None, rest)))
    )


def _parse_line(line: str) -> UpstreamFile:
    name, _, word = line.partition("---")
    kind = _OLD_TYPES.get(word, FileKind.OTHER)
    return UpstreamFile(name=checked_name(name), kind=_kind(name, kind), blob=None)


def _kind(name: str, kind: FileKind) -> FileKind:
    """Return a file's kind if upstream does not say it; OTHER for files that are not needed."""
    if name == "chat_template_extracted":  # a copy of the template in the weights
        return FileKind.OTHER
    if kind is not FileKind.OTHER:
        return kind
    if name.endswith(".safetensors"):  # older versions give no type
        return FileKind.SAFETENSORS
    if "-of-" in name and name.endswith(".gguf"):  # the second and later parts of a split model
        return FileKind.GGUF
    return FileKind.OTHER


def _file_name(value: object) -> str:
    name = checked_name(str(value).replace(":", "-"))
    if "/" in name:
        msg = f"{name[:100]!r} is not a hash"
        raise ValueError(msg)
    return name
