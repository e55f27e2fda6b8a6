"""Which files of a repository make the model that somebody wants.

A repository with GGUF files is a shelf of models, of which one is taken; one with safetensors
files is a model. Where it is both, what the runtime loads decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.options import ModelFormat
from ramalama.store.records import FileKind
from ramalama.transports import gguf_names
from ramalama.transports.gguf_selection import group, select_gguf
from ramalama.transports.safetensors_selection import (
    is_safetensors,
    is_whole_model,
    select_safetensors,
)
from ramalama.transports.wish import Choice, Selected, no_such

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ramalama.transports.listing import ListedFile
    from ramalama.transports.wish import Wish

_OTHERS = (".bin", ".pt", ".pth", ".onnx", ".h5", ".msgpack", ".ckpt", ".tflite", ".nemo")


def select(
    wish: Wish, files: Sequence[ListedFile], *, read: Callable[[ListedFile], bytes]
) -> tuple[Selected, ...]:
    """Choose among *files*, in the order of their listing; *read* returns all of a small one.

    Raises:
        UnknownModel: there is no such file or quantisation; the message lists what there is.
        ModelUnsupported: no model is among them, or none that is complete.
    """
    if wish.path:
        return _select_file(wish, files)
    if _format(wish, files) is ModelFormat.GGUF:
        return select_gguf(wish, files)
    return select_safetensors(wish, files, read=read)


def _format(wish: Wish, files: Sequence[ListedFile]) -> ModelFormat:
    has_gguf = any(gguf_names.is_model(file.path) for file in files)
    has_safetensors = is_whole_model(files)
    if not (has_gguf or has_safetensors):
        raise ModelUnsupported(_nothing_to_run(wish, files))
    if not has_gguf and wish.tag:
        raise no_such(wish, "quantisation", wish.tag, ())
    if has_gguf and has_safetensors and not wish.tag:
        return wish.format
    return ModelFormat.GGUF if has_gguf else ModelFormat.SAFETENSORS


def _nothing_to_run(wish: Wish, files: Sequence[ListedFile]) -> str:
    others = [suffix for suffix in _OTHERS if any(file.path.endswith(suffix) for file in files)]
    instead = f", only {' and '.join(others)}" if others else ""
    return (
        f"{wish.repository} has no GGUF or safetensors files{instead}; "
        "look for a repository with a GGUF conversion of the model"
    )


def _select_file(wish: Wish, files: Sequence[ListedFile]) -> tuple[Selected, ...]:
    """Select the one file that was named, with the other parts if it is one of several."""
    found = next((file for file in files if file.path == wish.path), None)
    if found is None:
        raise no_such(wish, "file", wish.path, _loadable(wish, files))
    if gguf_names.is_projector(found.path):
        return (Selected(found, FileKind.PROJECTOR),)
    if is_safetensors(found.path):
        return (Selected(found, FileKind.SAFETENSORS),)
    if not gguf_names.is_gguf(found.path):
        msg = f"{wish.repository}/{found.path} is no model: only .gguf and .safetensors files are"
        raise ModelUnsupported(msg)
    models = group(file for file in files if gguf_names.is_gguf(file.path))
    # By its path: a listing may have it twice, with two sizes.
    one = next(one for one in models if any(part.path == found.path for part in one.parts))
    return tuple(Selected(part, FileKind.GGUF) for part in one.all_parts(wish))


def _loadable(wish: Wish, files: Sequence[ListedFile]) -> list[Choice]:
    return [
        Choice(name=file.path, reference=f"{wish.repository}/{file.path}", size=file.size)
        for file in files
        if gguf_names.is_gguf(file.path) or is_safetensors(file.path)
    ]
