"""Describe a model by the purposes of its files, and read its author's settings."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported, StoreError
from ramalama.models.formats.bounded_read import read_bytes
from ramalama.models.formats.generation_config import read_generation_config
from ramalama.models.formats.gguf import has_chat_template
from ramalama.models.formats.model_files import FileKind
from ramalama.models.store.stored_model import StoredModel
from ramalama_values.json import is_array, is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.records import ModelRecord

_LONGEST_TEXT = 1024 * 1024
_LONGEST_VALUE = 4096
_MOST_VALUES = 256
_MOST_MESSAGES = 1024
_ROLES = frozenset({"system", "user", "assistant", "tool"})


def open_model(record: ModelRecord, directory: Path) -> StoredModel:
    """Return the model of *record*, whose files are in *directory*.

    Raises:
        ModelUnsupported: it has no weights.
        StoreError: the directory cannot be mounted.
        OSError: a file cannot be read.
    """
    files = {directory / file.name: file.kind for file in record.files}
    model = describe_model(record.reference, files, directory)
    if model is None:
        msg = f"{record.reference} has no weights, neither GGUF nor safetensors"
        raise ModelUnsupported(msg)
    if model.directory is not None:
        _check_links(record, directory)
    texts = {kind: path for path, kind in reversed(files.items())}  # the first one of each kind
    template, system = texts.get(FileKind.CHAT_TEMPLATE), texts.get(FileKind.SYSTEM)
    return replace(
        model,
        chat_template=template,
        template_name=None if template else _template_name(model, texts.get(FileKind.GO_TEMPLATE)),
        system=None if system is None else _read_text(system),
        parameters=(
            read_generation_config(directory)
            if model.directory is not None
            else _read_parameters(texts.get(FileKind.PARAMETERS))
        ),
        messages=_read_messages(texts.get(FileKind.MESSAGES)),
    )


def describe_model(
    reference: ModelRef, files: Mapping[Path, FileKind], directory: Path
) -> StoredModel | None:
    """Describe a model by the names of its files, without its author's settings.

    The files need not exist yet. Return None if there are no weights among them.
    """
    of_kind = {kind: tuple(path for path in files if files[path] is kind) for kind in FileKind}
    gguf, safetensors = of_kind[FileKind.GGUF], of_kind[FileKind.SAFETENSORS]
    if not gguf and not safetensors:
        return None
    return StoredModel(
        reference=reference,
        weights=gguf or safetensors,
        directory=None if gguf else directory,
        projectors=of_kind[FileKind.PROJECTOR],
        adapters=of_kind[FileKind.ADAPTER],
        draft=next(iter(of_kind[FileKind.DRAFT]), None),
    )


def _check_links(record: ModelRecord, directory: Path) -> None:
    """Reject a directory whose symbolic links would be broken in a container."""
    if any((directory / file.name).is_symlink() for file in record.files):
        msg = (
            f"{directory} needs hard links, which its file system does not support; "
            "choose another one with --store"
        )
        raise StoreError(msg)


def _template_name(model: StoredModel, go_template: Path | None) -> str | None:
    """Return the name of a built-in template, for a GGUF file without a template of its own."""
    if model.directory is not None or go_template is None:
        return None
    from ramalama.models.formats.chat_templates import (  # noqa: PLC0415 (Ollama's models only)
        builtin_template,
    )

    name = builtin_template(_read_text(go_template))
    return None if name is None or has_chat_template(model.weights[0]) else name


def _read_text(path: Path) -> str:
    return read_bytes(path, limit=_LONGEST_TEXT).decode(errors="replace")


def _read_parameters(path: Path | None) -> Mapping[str, object]:
    """Read Ollama's options; values other than numbers, texts and lists of texts are ignored."""
    value = _read_value(path)
    if not is_object(value) or len(value) > _MOST_VALUES:
        return {}
    read = {key: _parameter(each) for key, each in value.items()}
    return {key: each for key, each in read.items() if each is not None}


def _parameter(value: object) -> object:
    if is_array(value):
        texts = tuple(each for each in value if isinstance(each, str))
        short = len(texts) <= _MOST_VALUES and all(len(text) <= _LONGEST_VALUE for text in texts)
        return texts if short and len(texts) == len(value) else None
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_VALUE else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | int) else None


def _read_messages(path: Path | None) -> tuple[tuple[str, str], ...]:
    """Read the beginning of a conversation; it is empty if it is not valid."""
    value = _read_value(path)
    if not is_array(value) or len(value) > _MOST_MESSAGES:
        return ()
    messages: list[tuple[str, str]] = []
    for each in value:
        role, content = (each.get("role"), each.get("content")) if is_object(each) else ("", "")
        if not isinstance(role, str) or role not in _ROLES or not isinstance(content, str):
            return ()
        messages.append((role, content))
    return tuple(messages)


def _read_value(path: Path | None) -> object:
    if path is None:
        return None
    try:
        return parse_json(_read_text(path))
    except ValueError:  # the author's mistake; the model works without it
        return None
