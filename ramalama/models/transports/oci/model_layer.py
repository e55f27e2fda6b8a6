"""A layer of an image that holds a model: an uncompressed tar, the same for the same files.

models/                       as upstream lays it out, so that its `run` finds the model
models/NAME/FILE ...
models/model.file             a link to the first GGUF file
"""

from __future__ import annotations

import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ramalama.models.formats.kinds import FileKind
from ramalama.models.transports.oci.layers.content import Content, FilePart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ramalama.models.transports.oci.pack import LocalFile

_ROOT = "models"
_LINK = f"{_ROOT}/model.file"
_FILE_MODE, _DIRECTORY_MODE, _LINK_MODE = 0o644, 0o755, 0o777
_END = bytes(2 * tarfile.BLOCKSIZE)


def model_layer(name: str, files: Sequence[LocalFile]) -> Content:
    """Lay *files* out below ``models/NAME``; nothing of them is read yet."""
    parts: list[bytes | FilePart] = [
        _header(directory, tarfile.DIRTYPE, mode=_DIRECTORY_MODE)
        for directory in _directories(name, files)
    ]
    for local in sorted(files, key=lambda local: local.file.name):
        path, size = f"{_ROOT}/{name}/{local.file.name}", local.file.size
        parts += (
            _header(path, tarfile.REGTYPE, mode=_FILE_MODE, size=size),
            FilePart(path=local.path, size=size),
            bytes(-size % tarfile.BLOCKSIZE),
        )
    models = (local.file.name for local in files if local.file.kind is FileKind.GGUF)
    first = next(models, None)
    if first is not None:
        # Relative, since the directory is mounted in other places.
        parts.append(_header(_LINK, tarfile.SYMTYPE, mode=_LINK_MODE, target=f"{name}/{first}"))
    return Content((*parts, _END))


def _directories(name: str, files: Sequence[LocalFile]) -> Iterator[str]:
    """Yield the directories that the layer has, each after the one that it is in."""
    paths = {PurePosixPath(_ROOT, name, local.file.name) for local in files}
    parents = {str(parent) for path in paths for parent in path.parents}
    yield from sorted(parents - {"."})


def _header(name: str, kind: bytes, *, mode: int, size: int = 0, target: str = "") -> bytes:
    """Write what precedes a member; owner and time are nobody's and 0, the default."""
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.size, member.linkname = kind, mode, size, target
    return member.tobuf(tarfile.PAX_FORMAT, errors="strict")
