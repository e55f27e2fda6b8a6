"""List the files of a model on this machine, with their digests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ramalama.errors import ModelNotFound, ModelUnreadable, ModelUnsupported
from ramalama.models.formats.model_files import FileKind, part_of
from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.cas import digest_of
from ramalama.models.store.local import open_local
from ramalama.models.store.records import StoredFile
from ramalama.models.transports.oci.pack import LocalFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.store import ModelStore

_GGUF = ".gguf"
_UNFIT = r"[^A-Za-z0-9._-]+|^[.-]+"


def find_files(reference: ModelRef, store: ModelStore) -> tuple[LocalFile, ...]:
    """Return the files of a model in *store*, or a user's own files; these are hashed.

    Raises:
        ModelNotFound: the model is not on this machine.
        ModelError, StoreError: the model cannot be used.
    """
    if reference.scheme is Scheme.FILE:
        return tuple(_own_files(reference))
    record = store.find(reference)
    if record is None:
        msg = f"{reference} is not on this machine"
        raise ModelNotFound(msg, hint=f"pull it with `ramalama pull {reference}`")
    return tuple(
        LocalFile(file=file, path=store.contents.path(file.digest)) for file in record.files
    )


def model_name(reference: ModelRef) -> str:
    """Return a short name for the model, of characters that are valid in a path of any image."""
    last = reference.location.rstrip("/").rpartition("/")[2]
    if reference.scheme is Scheme.OLLAMA or not last.lower().endswith(_GGUF):
        name = last
    else:
        part = part_of(last)
        name = part.stem if part else last[: -len(_GGUF)]
    return re.sub(_UNFIT, "-", name).strip("-") or "model"


def _own_files(reference: ModelRef) -> Iterator[LocalFile]:
    model = open_local(reference)
    if model.directory is not None:
        msg = f"{model.directory} is a directory; of your own files, only GGUF files can be pushed"
        raise ModelUnsupported(msg)
    for path in model.weights:
        yield _read(path)


def _read(path: Path) -> LocalFile:
    try:
        with path.open("rb") as content:
            digest = digest_of(content)
            size = content.tell()
    except OSError as exc:
        msg = f"{path} cannot be read: {exc.strerror}"
        raise ModelUnreadable(msg) from exc
    file = StoredFile(name=path.name, kind=FileKind.GGUF, digest=digest, size=size)
    return LocalFile(file=file, path=path)
