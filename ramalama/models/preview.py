"""Describe and check a model before it is downloaded, and after its first bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.models.formats.gguf import check_beginning
from ramalama.models.formats.kinds import FileKind
from ramalama.models.formats.safetensors import header_length
from ramalama.models.store.stored_model import StoredModel

if TYPE_CHECKING:
    from ramalama.models.download.values import RemoteBlob
    from ramalama.models.transports.base import RemoteFile, RemoteModel

_WEIGHTS = (FileKind.GGUF, FileKind.SAFETENSORS)


def weights_of(remote: RemoteModel) -> int:
    """Return the sum of the sizes, in bytes, of a model's weights, as far as they are known."""
    return sum(file.blob.size or 0 for file in remote.files if file.kind in _WEIGHTS)


def preview_model(remote: RemoteModel) -> StoredModel | None:
    """Describe a model as it will be in the store, by its files' names, without its settings.

    Return None if its files are known only after its archives are unpacked.
    """
    files = {
        kind: tuple(Path(file.name) for file in remote.files if file.kind is kind)
        for kind in FileKind
    }
    gguf, safetensors = files[FileKind.GGUF], files[FileKind.SAFETENSORS]
    if not gguf and not safetensors:
        return None
    drafts = files[FileKind.DRAFT]
    return StoredModel(
        reference=remote.reference,
        weights=gguf or safetensors,
        directory=None if gguf else Path(),
        projectors=files[FileKind.PROJECTOR],
        adapters=files[FileKind.ADAPTER],
        draft=drafts[0] if drafts else None,
    )


def with_header_check(file: RemoteFile) -> RemoteBlob:
    """Return the blob with a check that ends the download if no server can load the file."""

    def check_gguf(head: bytes) -> None:
        check_beginning(head, name=file.name)

    def check_safetensors(head: bytes) -> None:
        header_length(head, name=file.name, size=file.blob.size)

    match file.kind:
        case FileKind.GGUF:
            return replace(file.blob, check=check_gguf)
        case FileKind.SAFETENSORS:
            return replace(file.blob, check=check_safetensors)
        case _:
            return file.blob
