"""Find the purpose of each layer of a manifest, whichever tool has made it.

================== ====================================== =====================================
made by            known by                               a file's name
================== ====================================== =====================================
RamaLama, modelcar configuration and layers of an image   in the archives, below ``models/``
ModelPack          ``vnd.cncf.model.*`` layers            ``org.cncf.model.filepath``
podman artifact    whatever type podman guessed           the same, and the title
ORAS               any type                               ``org.opencontainers.image.title``
Docker             ``vnd.docker.ai.*`` layers             none in its version 0.1, else filepath
Ollama             ``vnd.ollama.image.*`` layers          none
================== ====================================== =====================================

Tools mix these, so each layer is examined separately: its type says what it is, or else its name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.model_files import FileKind
from ramalama.models.transports.json_fields import text
from ramalama.models.transports.oci.manifests import media_types
from ramalama.models.transports.oci.manifests.names import kind_of_name
from ramalama.models.transports.oci.manifests.strict_json import parse_object
from ramalama.models.transports.oci.manifests.weights import one_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.models.options import ModelFormat
    from ramalama.models.transports.oci.manifests.manifest import Descriptor, Manifest

_PATH = "org.cncf.model.filepath"
_TITLE = "org.opencontainers.image.title"
_METADATA = "org.cncf.model.file.metadata+json"
_UNPACK = "io.deis.oras.content.unpack"

_KINDS = {
    "vnd.docker.ai.gguf.v3": FileKind.GGUF,
    "vnd.docker.ai.safetensors": FileKind.SAFETENSORS,
    "vnd.docker.ai.mmproj": FileKind.PROJECTOR,
    "vnd.docker.ai.chat.template.jinja": FileKind.CHAT_TEMPLATE,
    "vnd.docker.ai.license": FileKind.LICENSE,
    "vnd.cncf.model.weight.v1.gguf": FileKind.GGUF,
    "vnd.cncf.model.weight.v1.safetensors": FileKind.SAFETENSORS,
    "vnd.ollama.image.model": FileKind.GGUF,
    "vnd.ollama.image.projector": FileKind.PROJECTOR,
    "vnd.ollama.image.adapter": FileKind.ADAPTER,
    "vnd.ollama.image.draft": FileKind.DRAFT,
    "vnd.ollama.image.template": FileKind.GO_TEMPLATE,
    "vnd.ollama.image.prompt": FileKind.GO_TEMPLATE,
    "vnd.ollama.image.system": FileKind.SYSTEM,
    "vnd.ollama.image.params": FileKind.PARAMETERS,
    "vnd.ollama.image.messages": FileKind.MESSAGES,
    "vnd.ollama.image.license": FileKind.LICENSE,
}
# Not for a server: training data, code, and obsolete types.
_LEFT_OUT = ("vnd.cncf.model.dataset.", "vnd.cncf.model.code.", "vnd.ollama.image.embed")
_FOREIGN = ("vnd.ollama.image.tensor", "vnd.docker.ai.dduf")
_ARCHIVES = (".tar", ".tar+gzip", ".tar+zstd")
_UNTOLD = ("application/octet-stream", f"{media_types.MODELPACK}weight.v1.")
_TELLING = (".json", ".txt", ".md", ".model", ".tiktoken")

_NAMES = {
    FileKind.GGUF: "model.gguf",
    FileKind.SAFETENSORS: "model.safetensors",
    FileKind.PROJECTOR: "mmproj.gguf",
    FileKind.ADAPTER: "adapter.gguf",
    FileKind.DRAFT: "draft.gguf",
    FileKind.CHAT_TEMPLATE: "chat_template.jinja",
    FileKind.GO_TEMPLATE: "template",
    FileKind.SYSTEM: "system",
    FileKind.PARAMETERS: "params.json",
    FileKind.MESSAGES: "messages.json",
    FileKind.LICENSE: "LICENSE",
    FileKind.OTHER: "file",
}
_WEIGHTS = (FileKind.GGUF, FileKind.SAFETENSORS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLayer:
    """A layer that is a file of the model."""

    name: str
    kind: FileKind
    descriptor: Descriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The parts of a model in a manifest: layers that are files, and layers that are archives.

    Attributes:
        prefix: the path in the archives below which the model's files are; see `RemoteArchive`.
    """

    files: tuple[ModelLayer, ...]
    archives: tuple[Descriptor, ...]
    prefix: str = ""


def is_image(manifest: Manifest) -> bool:
    """Return whether it is an image that engines can run: its files are in its layers."""
    return manifest.config.media_type in (
        media_types.OCI_CONFIG,
        media_types.DOCKER_CONFIG,
    ) and all(
        layer.media_type.startswith((media_types.OCI_LAYER, media_types.DOCKER_LAYER))
        for layer in manifest.layers
    )


def read_contents(manifest: Manifest, wanted: ModelFormat, *, name: str) -> Contents:
    """Return the content of *manifest*, which is not an image; weights first, in order.

    Raises:
        ModelUnsupported: it has no model that a supported server can load.
    """
    layers = [layer for layer in manifest.layers if not _short(layer).startswith(_LEFT_OUT)]
    if strange := next((layer for layer in layers if _short(layer).startswith(_FOREIGN)), None):
        msg = f"{name} holds {_short(strange)!r}, which only the tool that made it can run"
        raise ModelUnsupported(msg)
    archives = tuple(layer for layer in layers if _is_archive(layer))
    files = _named([layer for layer in layers if not _is_archive(layer)])
    if not any(file.kind in _WEIGHTS for file in files):
        files = _with_guess(files)
    if not archives or any(file.kind in _WEIGHTS for file in files):
        files = one_model(files, wanted, name=_described(name, manifest))
    return Contents(files=files, archives=archives)


def _short(layer: Descriptor) -> str:
    return layer.media_type.removeprefix("application/")


def _is_archive(layer: Descriptor) -> bool:
    """Return whether the layer is a packed directory."""
    known = layer.media_type.startswith((media_types.MODELPACK, media_types.DOCKER_MODEL))
    packed = known and layer.media_type.endswith(_ARCHIVES)
    return packed or layer.annotations.get(_UNPACK) == "true"


def _named(layers: Sequence[Descriptor]) -> tuple[ModelLayer, ...]:
    """Return each layer with its kind and name, except for code, which is left out."""
    paths = [_path(layer) for layer in layers]
    kinds = [_kind(layer, path) for layer, path in zip(layers, paths, strict=True)]
    nameless = Counter(kind for kind, path in zip(kinds, paths, strict=True) if not path)
    numbers = Counter[FileKind]()
    found: list[ModelLayer] = []
    for layer, path, kind in zip(layers, paths, kinds, strict=True):
        if kind is None:
            continue
        if not path:
            numbers[kind] += 1
        name = path or _usual_name(kind, numbers[kind], nameless[kind])
        found.append(ModelLayer(name=name, kind=kind, descriptor=layer))
    return tuple(found)


def _path(layer: Descriptor) -> str:
    path = layer.annotations.get(_PATH) or layer.annotations.get(_TITLE)
    if not path and (metadata := layer.annotations.get(_METADATA)):
        try:
            path = text(parse_object(metadata.encode(errors="replace")), "name")
        except ValueError:
            path = ""
    return (path or "").removeprefix("./")


def _kind(layer: Descriptor, path: str) -> FileKind | None:
    if kind := _KINDS.get(_short(layer)):
        return kind
    kind = kind_of_name(path)
    return FileKind.GGUF if kind is FileKind.OTHER and "gguf" in _short(layer) else kind


def _usual_name(kind: FileKind, number: int, count: int) -> str:
    """Return the default name of the *number*-th of *count* files of a kind."""
    if count == 1:
        return _NAMES[kind]
    stem, dot, suffix = _NAMES[kind].partition(".")
    parts = f"-{number:05}-of-{count:05}" if kind in _WEIGHTS else f"-{number}"
    return f"{stem}{parts}{dot}{suffix}"


def _with_guess(files: Sequence[ModelLayer]) -> tuple[ModelLayer, ...]:
    """Treat the only file without a clear name as weights; its content will be checked later."""
    untold = [
        file
        for file in files
        if file.kind is FileKind.OTHER
        and not file.name.endswith(_TELLING)
        and file.descriptor.media_type.startswith(_UNTOLD)
    ]
    if len(untold) != 1:
        return tuple(files)
    return tuple(replace(file, kind=FileKind.GGUF) if file in untold else file for file in files)


def _described(name: str, manifest: Manifest) -> str:
    what = manifest.artifact_type or manifest.config.media_type
    return f"{name} (an artifact of type {what[:100]!r})" if what else name
