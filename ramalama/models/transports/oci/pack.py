"""Make the manifest and the blobs of a model to push; the same files give the same result.

file        an image with any one file, and labels                 OCI image-spec 1.1
artifact    a ModelPack: each file is a layer, unchanged           CNCF model-spec 1
raw         an image with only the model, for image volumes        OCI image-spec 1.1
car         the same on a base image that can be run ("modelcar")

Nothing is compressed: weights do not get smaller, and an uncompressed file can be mounted, and
shared with other models that have the same file.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ramalama.models.formats.model_files import FileKind
from ramalama.models.transports.oci.layers.content import Content, FilePart
from ramalama.models.transports.oci.manifests import media_types
from ramalama.models.transports.oci.manifests.manifest import Descriptor
from ramalama.models.transports.oci.manifests.names import kind_of_name
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ramalama.models.options import PushKind
    from ramalama.models.store.records import StoredFile
    from ramalama.models.transports.oci.layers.content import BlobContent


_PATH = "org.cncf.model.filepath"
_TITLE = "org.opencontainers.image.title"
_LABEL = "org.containers.type"
_LAYER = f"{media_types.OCI_LAYER}v1.tar"
_EPOCH = "1970-01-01T00:00:00Z"  # a date is required, and a constant one keeps the digest the same

# ModelPack's classes of files.
_WEIGHT, _CONFIG, _DOC, _CODE = (
    f"{media_types.MODELPACK}{word}.v1.raw" for word in ("weight", "weight.config", "doc", "code")
)
_CLASSES = {
    FileKind.GGUF: _WEIGHT,
    FileKind.SAFETENSORS: _WEIGHT,
    FileKind.PROJECTOR: _WEIGHT,
    FileKind.ADAPTER: _WEIGHT,
    FileKind.DRAFT: _WEIGHT,
    FileKind.LICENSE: _DOC,
}
_FORMATS = {FileKind.GGUF: "gguf", FileKind.SAFETENSORS: "safetensors"}
# Types for files whose purpose is not clear from class or name; these are the types of the tools
# that introduced them, so that every reader understands them.
_TELLING = {
    FileKind.GGUF: f"{media_types.OLLAMA}model",
    FileKind.PROJECTOR: f"{media_types.OLLAMA}projector",
    FileKind.ADAPTER: f"{media_types.OLLAMA}adapter",
    FileKind.DRAFT: f"{media_types.OLLAMA}draft",
    FileKind.CHAT_TEMPLATE: f"{media_types.DOCKER_MODEL}chat.template.jinja",
    FileKind.GO_TEMPLATE: f"{media_types.OLLAMA}template",
    FileKind.SYSTEM: f"{media_types.OLLAMA}system",
    FileKind.PARAMETERS: f"{media_types.OLLAMA}params",
    FileKind.MESSAGES: f"{media_types.OLLAMA}messages",
    FileKind.LICENSE: f"{media_types.OLLAMA}license",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A file of a model, and its path on this machine."""

    file: StoredFile
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A blob to upload; *name* is for messages."""

    name: str
    descriptor: Descriptor
    content: BlobContent


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """An image for one platform: its configuration and its layers."""

    config: Mapping[str, object]
    layers: tuple[Blob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """The blobs of a model, the configuration last, and the manifest."""

    blobs: tuple[Blob, ...]
    manifest: bytes


_EMPTY = BaseImage(config={"architecture": "amd64", "os": "linux"}, layers=())


def pack_artifact(name: str, files: Sequence[LocalFile]) -> Package:
    """Pack *files*, the model *name*, as an artifact; nothing is read, since digests are known."""
    formats = sorted({_FORMATS[file.file.kind] for file in files if file.file.kind in _FORMATS})
    config = {
        "descriptor": {"name": name},
        "config": {"format": formats[0]} if formats else {},
        "modelfs": {"type": "layers", "diffIds": [str(file.file.digest) for file in files]},
    }
    return _package(
        (*map(_file_blob, files), _config_blob(config, media_types.MODELPACK_CONFIG)),
        artifact_type=media_types.MODELPACK_ARTIFACT,
    )


def pack_image(
    kind: PushKind, name: str, files: Sequence[LocalFile], base: BaseImage = _EMPTY
) -> Package:
    """Pack *files* as an image on *base*; they are read once, to compute the layer's digest."""
    layer = _content_blob(f"layer of {name}", _LAYER, model_layer(name, files))
    labels = {_LABEL: f"ai.image.model.{kind}"}
    return _with_layer(base, layer, labels, f"ramalama push --type {kind}: models/{name}")


def pack_file(path: Path, *, inside: str, labels: Mapping[str, str]) -> Package:
    """Pack the file *path* as an image that has only this file, as *inside*, and *labels*.

    It is read once, to compute the layer's digest.
    """
    layer = _content_blob(inside, _LAYER, _file_layer(path, inside))
    return _with_layer(_EMPTY, layer, labels, f"ramalama rag: {inside}")


def _with_layer(base: BaseImage, layer: Blob, labels: Mapping[str, str], made_by: str) -> Package:
    config = {
        **base.config,
        "config": _with_labels(base.config.get("config"), labels),
        "rootfs": {
            "type": "layers",
            "diff_ids": [*_diff_ids(base.config), str(layer.descriptor.digest)],
        },
        "history": [*_history(base.config), {"created": _EPOCH, "created_by": made_by}],
    }
    config.setdefault("created", _EPOCH)
    return _package((*base.layers, layer, _config_blob(config, media_types.OCI_CONFIG)))


def _file_blob(file: LocalFile) -> Blob:
    stored = file.file
    descriptor = Descriptor(
        media_type=_media_type(stored),
        digest=stored.digest,
        size=stored.size,
        annotations={_PATH: stored.name, _TITLE: stored.name},
    )
    content = Content((FilePart(path=file.path, size=stored.size),))
    return Blob(name=stored.name, descriptor=descriptor, content=content)


def _media_type(file: StoredFile) -> str:
    by_name = kind_of_name(file.name)
    if by_name is None:
        return _CODE
    usual = _CLASSES.get(file.kind, _CONFIG)
    return usual if by_name is file.kind else _TELLING.get(file.kind, usual)


def _with_labels(settings: object, labels: Mapping[str, str]) -> Mapping[str, object]:
    """Return an image's settings with more labels."""
    fields = settings if is_object(settings) else dict[str, object]()
    before = fields.get("Labels")
    return {**fields, "Labels": {**(before if is_object(before) else {}), **labels}}


def _diff_ids(config: Mapping[str, object]) -> Sequence[object]:
    rootfs = config.get("rootfs")
    ids = rootfs.get("diff_ids") if is_object(rootfs) else None
    return ids if is_array(ids) else ()


def _history(config: Mapping[str, object]) -> Sequence[object]:
    history = config.get("history")
    return history if is_array(history) else ()


def _config_blob(config: Mapping[str, object], media_type: str) -> Blob:
    return _content_blob("configuration", media_type, Content((_encode(config),)))


def _content_blob(name: str, media_type: str, content: Content) -> Blob:
    descriptor = Descriptor(media_type=media_type, digest=content.digest(), size=content.size)
    return Blob(name=name, descriptor=descriptor, content=content)


def _package(blobs: tuple[Blob, ...], *, artifact_type: str = "") -> Package:
    *layers, config = (_written(blob.descriptor) for blob in blobs)
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        **({"artifactType": artifact_type} if artifact_type else {}),
        "config": config,
        "layers": layers,
    }
    return Package(blobs=blobs, manifest=_encode(manifest))


def _written(descriptor: Descriptor) -> Mapping[str, object]:
    written: dict[str, object] = {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size,
    }
    if descriptor.annotations:
        written["annotations"] = dict(descriptor.annotations)
    return written


def _encode(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


_ROOT = "models"
_LINK = f"{_ROOT}/model.file"
_FILE_MODE, _DIRECTORY_MODE, _LINK_MODE = 0o644, 0o755, 0o777
_END = bytes(2 * tarfile.BLOCKSIZE)


def model_layer(name: str, files: Sequence[LocalFile]) -> Content:
    """Lay out *files* below ``models/NAME`` in a tar archive, without reading them yet."""
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
        # Relative, since the directory is also mounted at other paths.
        parts.append(_header(_LINK, tarfile.SYMTYPE, mode=_LINK_MODE, target=f"{name}/{first}"))
    return Content((*parts, _END))


def _file_layer(path: Path, inside: str) -> Content:
    """Lay out one file, and the directories above it, in a tar archive."""
    size = path.stat().st_size
    parents = sorted({str(parent) for parent in PurePosixPath(inside).parents} - {"."})
    return Content(
        (
            *(_header(parent, tarfile.DIRTYPE, mode=_DIRECTORY_MODE) for parent in parents),
            _header(inside, tarfile.REGTYPE, mode=_FILE_MODE, size=size),
            FilePart(path=path, size=size),
            bytes(-size % tarfile.BLOCKSIZE),
            _END,
        )
    )


def _directories(name: str, files: Sequence[LocalFile]) -> Iterator[str]:
    """Yield the directories of the layer, parents first."""
    paths = {PurePosixPath(_ROOT, name, local.file.name) for local in files}
    parents = {str(parent) for path in paths for parent in path.parents}
    yield from sorted(parents - {"."})


def _header(name: str, kind: bytes, *, mode: int, size: int = 0, target: str = "") -> bytes:
    """Return the header of a member, with the default owner and time, which are 0."""
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.size, member.linkname = kind, mode, size, target
    return member.tobuf(tarfile.PAX_FORMAT, errors="strict")
