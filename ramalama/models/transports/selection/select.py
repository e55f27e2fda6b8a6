"""Select the files of a repository that make up the requested model.

A repository with GGUF files holds several models, of which one is selected; one with safetensors
files is one model. If it has both, the runtime's format decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.formats import model_files
from ramalama.models.formats.model_files import FileKind
from ramalama.models.options import ModelFormat
from ramalama.models.transports.selection.gguf import group, select_gguf
from ramalama.models.transports.selection.request import SelectedFile, Variant, no_such
from ramalama.models.transports.selection.safetensors import (
    is_safetensors,
    is_whole_model,
    select_safetensors,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ramalama.models.transports.selection.listing import ListedFile
    from ramalama.models.transports.selection.request import FileRequest

_OTHERS = (".bin", ".pt", ".pth", ".onnx", ".h5", ".msgpack", ".ckpt", ".tflite", ".nemo")


def select(
    request: FileRequest, files: Sequence[ListedFile], *, read: Callable[[ListedFile], bytes]
) -> tuple[SelectedFile, ...]:
    """Select among *files*, in the order of the listing; *read* returns a small file's content.

    Raises:
        UnknownModel: there is no such file or quantisation; the message lists the existing ones.
        ModelUnsupported: there is no model among them, or none that is complete.
    """
    if request.path:
        return _select_file(request, files)
    if _format(request, files) is ModelFormat.GGUF:
        return select_gguf(request, files)
    return select_safetensors(request, files, read=read)


def _format(request: FileRequest, files: Sequence[ListedFile]) -> ModelFormat:
    has_gguf = any(model_files.is_model(file.path) for file in files)
    has_safetensors = is_whole_model(files)
    if not (has_gguf or has_safetensors):
        raise ModelUnsupported(_nothing_to_run(request, files))
    if not has_gguf and request.tag:
        raise no_such(request, "quantisation", request.tag, ())
    if has_gguf and has_safetensors and not request.tag:
        return request.format
    return ModelFormat.GGUF if has_gguf else ModelFormat.SAFETENSORS


def _nothing_to_run(request: FileRequest, files: Sequence[ListedFile]) -> str:
    others = [suffix for suffix in _OTHERS if any(file.path.endswith(suffix) for file in files)]
    instead = f", only {' and '.join(others)}" if others else ""
    return (
        f"{request.repository} has no GGUF or safetensors files{instead}; "
        "look for a repository with a GGUF conversion of the model"
    )


def _select_file(request: FileRequest, files: Sequence[ListedFile]) -> tuple[SelectedFile, ...]:
    """Select the requested file, with the other parts if it is a part of a split model."""
    found = next((file for file in files if file.path == request.path), None)
    if found is None:
        raise no_such(request, "file", request.path, _loadable(request, files))
    if model_files.is_projector(found.path):
        return (SelectedFile(found, FileKind.PROJECTOR),)
    if is_safetensors(found.path):
        return (SelectedFile(found, FileKind.SAFETENSORS),)
    if not model_files.is_gguf(found.path):
        msg = f"{request.repository}/{found.path} is not a model: only .gguf and .safetensors are"
        raise ModelUnsupported(msg)
    models = group(file for file in files if model_files.is_gguf(file.path))
    # By its path: a listing may have it twice, with two sizes.
    one = next(one for one in models if any(part.path == found.path for part in one.parts))
    return tuple(SelectedFile(part, FileKind.GGUF) for part in one.all_parts(request))


def _loadable(request: FileRequest, files: Sequence[ListedFile]) -> list[Variant]:
    return [
        Variant(name=file.path, reference=f"{request.repository}/{file.path}", size=file.size)
        for file in files
        if model_files.is_gguf(file.path) or is_safetensors(file.path)
    ]
