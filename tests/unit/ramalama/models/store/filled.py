"""Stores with something in them, and the references that the tests speak of."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ramalama.models.download.values import FetchedBlob
from ramalama.models.formats.model_files import Digest, FileKind
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.records import ModelRecord, StoredFile
from ramalama.models.store.store import ModelStore

if TYPE_CHECKING:
    from pathlib import Path

OLLAMA = ModelRef(Scheme.OLLAMA, "library/smollm2", "135m")
HUB = ModelRef(Scheme.HUGGINGFACE, "acme/tiny-GGUF", "Q8_0")
PULLED = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)


def digest_of(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())


def fetch(base: Path, content: bytes) -> FetchedBlob:
    """Do what a downloader does, but for the download."""
    partial = base / "cas/partial"
    partial.mkdir(parents=True, exist_ok=True)
    path = partial / f"{os.urandom(8).hex()}.data"
    path.write_bytes(content)
    return FetchedBlob(path=path, digest=digest_of(content), size=len(content))


def put(
    base: Path, content: bytes, name: str = "tiny.gguf", kind: FileKind = FileKind.GGUF
) -> StoredFile:
    """Put a content into the store at *base*, and call it *name*."""
    fetched = fetch(base, content)
    ModelStore(base).contents.put(fetched)
    return StoredFile(name=name, kind=kind, digest=fetched.digest, size=fetched.size)


def record(*files: StoredFile, reference: ModelRef = OLLAMA) -> ModelRecord:
    return ModelRecord(reference=reference, files=files, pulled=PULLED)


def publish(
    base: Path, reference: ModelRef = OLLAMA, content: bytes = b"weights", name: str = "tiny.gguf"
) -> ModelRecord:
    """Publish a model of one file."""
    model = record(put(base, content, name), reference=reference)
    ModelStore(base).publish(model)
    return model


def files_below(directory: Path) -> set[str]:
    """Name all files below *directory*, relative to it."""
    found = (path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir())
    return {str(path.relative_to(directory)) for path in found}


def links_to(base: Path, content: bytes) -> int:
    """Count the names of a content below *base*, its own included."""
    return ModelStore(base).contents.path(digest_of(content)).stat().st_nlink


def write_upstream(
    base: Path,
    path: str,
    tag: str,
    files: dict[str, tuple[str, bytes]],
    *,
    blobs: dict[str, str] | None = None,
) -> Path:
    """Pull as upstream does: *files* by name are type and content; return the model's directory.

    A blob is named for the SHA-256 of its content, unless *blobs* has another name for the file.
    """
    directory = base / "store" / path
    names = {
        name: (blobs or {}).get(name, digest_of(content).file_name)
        for name, (_, content) in files.items()
    }
    snapshot = directory / "snapshots" / next(iter(names.values()))
    for name, (_, content) in files.items():
        blob, link = directory / "blobs" / names[name], snapshot / name
        for parent in (blob.parent, link.parent, directory / "refs"):
            parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        link.unlink(missing_ok=True)
        link.hardlink_to(blob)
    ref = directory / "refs" / f"{tag}.json"
    rows = [{"hash": names[name], "name": name, "type": kind} for name, (kind, _) in files.items()]
    fields = {"files": rows, "hash": snapshot.name, "path": str(ref), "version": "v1.0.1"}
    ref.write_text(json.dumps(fields, indent=2, sort_keys=True))
    return directory
