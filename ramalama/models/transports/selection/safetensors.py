"""Select the files of a safetensors model: weights, configuration, tokenizer, but no code.

    model.safetensors.index.json             names the weights' files, if there are several
        model.safetensors                        or else this file, or else all others of this kind
        config.json, tokenizer.model, …          other files that a server reads
    1_Pooling/config.json                    a module of an embedding model

The same weights in another layout (``consolidated.*``, ``original/``) are not selected, and neither
is ``*.py``, since a server could run it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.model_files import FileKind
from ramalama.models.transports.selection.request import SelectedFile
from ramalama_values.json import is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ramalama.models.transports.selection.listing import ListedFile
    from ramalama.models.transports.selection.request import FileRequest

_SUFFIX = ".safetensors"
_INDEX = "model.safetensors.index.json"
_WHOLE = "model.safetensors"
_OTHER_LAYOUT = "consolidated"
_BESIDE = (".json", ".jinja", ".model", ".txt", ".tiktoken")
_SUBDIRECTORIES = r"(?:[0-9]+_[A-Za-z]+|additional_chat_templates)/[^/]+"
_CHAT_TEMPLATE = "chat_template.jinja"
_MOST_BESIDE = 500  # each is a request, or two


def is_safetensors(path: str) -> bool:
    """Return whether it is a file of weights in this format."""
    return path.endswith(_SUFFIX)


def is_whole_model(files: Sequence[ListedFile]) -> bool:
    """Return whether *files* have weights where a server looks for them."""
    return any(is_safetensors(file.path) and "/" not in file.path for file in files)


def select_safetensors(
    request: FileRequest, files: Sequence[ListedFile], *, read: Callable[[ListedFile], bytes]
) -> tuple[SelectedFile, ...]:
    """Select among *files*, weights first.

    Raises:
        ModelUnsupported: the index is not valid, or names weights that do not exist; or there are
            far too many small files.
    """
    index = next((file for file in files if file.path == _INDEX), None)
    weights = _weights(files) if index is None else _indexed(request, files, read(index))
    modules = [file for file in files if _is_in_module(file.path)]
    weights += [file for file in modules if is_safetensors(file.path)]
    beside = [
        file
        for file in (*(file for file in files if "/" not in file.path), *modules)
        if file.path.endswith(_BESIDE)
    ]
    if len(beside) > _MOST_BESIDE:
        msg = f"{request.repository} has {len(beside)} small files beside its weights, too many"
        raise ModelUnsupported(msg)
    return (
        *(SelectedFile(file, FileKind.SAFETENSORS) for file in weights),
        *(SelectedFile(file, _kind(file.path)) for file in beside),
    )


def _is_in_module(path: str) -> bool:
    return re.fullmatch(_SUBDIRECTORIES, path) is not None


def _kind(path: str) -> FileKind:
    return FileKind.CHAT_TEMPLATE if path == _CHAT_TEMPLATE else FileKind.OTHER


def _weights(files: Sequence[ListedFile]) -> list[ListedFile]:
    found = [file for file in files if is_safetensors(file.path) and "/" not in file.path]
    whole = [file for file in found if file.path == _WHOLE]
    return whole or [file for file in found if not file.path.startswith(_OTHER_LAYOUT)] or found


def _indexed(request: FileRequest, files: Sequence[ListedFile], index: bytes) -> list[ListedFile]:
    by_path = {file.path: file for file in files}
    names = _names(index)
    if not names:
        msg = f"{request.repository} has a {_INDEX} that is not valid"
        raise ModelUnsupported(msg)
    missing = [name for name in names if name not in by_path]
    if missing:
        msg = (
            f"{request.repository} lacks {missing[0][:100]!r}, one of {len(names)} files of its "
            "weights; its upload is not complete"
        )
        raise ModelUnsupported(msg)
    return [by_path[name] for name in names]


def _names(index: bytes) -> list[str]:
    """Return the files in a weight map, sorted; none if it is not valid."""
    try:
        content = parse_json(index)
    except ValueError:
        return []
    mapping = content.get("weight_map") if is_object(content) else None
    names = mapping.values() if is_object(mapping) else ()
    return sorted({name for name in names if isinstance(name, str)})
