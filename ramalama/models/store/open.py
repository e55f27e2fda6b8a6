"""Open a stored model: find the purpose of each file, and read its author's settings."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported, StoreError
from ramalama.models.formats.bounded_read import read_bytes
from ramalama.models.formats.generation_config import read_generation_config
from ramalama.models.formats.kinds import FileKind
from ramalama.models.store.stored_model import StoredModel
from ramalama_values.json import is_array, is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ramalama.models.store.records import ModelRecord

_LONGEST_TEXT = 1024 * 1024
_LONGEST_VALUE = 4096
_MOST_VALUES = 256
_MOST_MESSAGES = 1024
_ROLES = frozenset({"system", "user", "assistant", "tool"})

# The largest vocabulary in use has seven megabytes; the template is before or after it.
_METADATA = 32 * 1024 * 1024
_TEMPLATE_KEY = b"tokenizer.chat_template"
_STRING = 8  # GGUF's number of the type
_TEMPLATE = struct.pack("<Q", len(_TEMPLATE_KEY)) + _TEMPLATE_KEY + struct.pack("<I", _STRING)


def open_model(record: ModelRecord, directory: Path) -> StoredModel:
    """Return the model of *record*, whose files are in *directory*.

    Raises:
        ModelUnsupported: it has no weights.
        StoreError: the directory cannot be mounted.
        OSError: a file cannot be read.
    """
    files = {
        kind: tuple(directory / file.name for file in record.files if file.kind is kind)
        for kind in FileKind
    }
    gguf, safetensors = files[FileKind.GGUF], files[FileKind.SAFETENSORS]
    if not gguf and not safetensors:
        msg = f"{record.reference} has no weights, neither GGUF nor safetensors"
        raise ModelUnsupported(msg)
    if not gguf:
        _check_links(record, directory)
    templates, drafts = files[FileKind.CHAT_TEMPLATE], files[FileKind.DRAFT]
    return StoredModel(
        reference=record.reference,
        weights=gguf or safetensors,
        directory=None if gguf else directory,
        projectors=files[FileKind.PROJECTOR],
        adapters=files[FileKind.ADAPTER],
        draft=drafts[0] if drafts else None,
        chat_template=templates[0] if templates else None,
        template_name=None if templates else _template_name(gguf, files[FileKind.GO_TEMPLATE]),
        system=_read_system(files[FileKind.SYSTEM]),
        parameters=(
            _read_parameters(files[FileKind.PARAMETERS])
            if gguf
            else read_generation_config(directory)
        ),
        messages=_read_messages(files[FileKind.MESSAGES]),
    )


def _check_links(record: ModelRecord, directory: Path) -> None:
    """Reject a directory whose symbolic links would be broken in a container."""
    if any((directory / file.name).is_symlink() for file in record.files):
        msg = (
            f"{directory} needs hard links, which its file system does not support; "
            "choose another one with --store"
        )
        raise StoreError(msg)


def _template_name(weights: Sequence[Path], go_templates: Sequence[Path]) -> str | None:
    """Return the name of a built-in template, for weights without a template of their own."""
    if not weights or not go_templates:
        return None
    from ramalama.models.formats.chat_templates import (  # noqa: PLC0415 (Ollama's models only)
        builtin_template,
    )

    name = builtin_template(_read_text(go_templates[0]))
    return None if name is None or _has_template(weights[0]) else name


def _has_template(weights: Path) -> bool:
    """Return whether a GGUF file has a template; search its key, since parsing takes too long."""
    from mmap import ACCESS_READ, mmap  # noqa: PLC0415 (see _template_name)

    if not weights.stat().st_size:  # mmap(2) rejects it; the server will report it
        return False
    with weights.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return content.find(_TEMPLATE, 0, _METADATA) >= 0


def _read_text(path: Path) -> str:
    return read_bytes(path, limit=_LONGEST_TEXT).decode(errors="replace")


def _read_system(paths: Sequence[Path]) -> str | None:
    return _read_text(paths[0]) if paths else None


def _read_parameters(paths: Sequence[Path]) -> Mapping[str, object]:
    """Read Ollama's options; values other than numbers, texts and lists of texts are ignored."""
    value = _read_value(paths)
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


def _read_messages(paths: Sequence[Path]) -> tuple[tuple[str, str], ...]:
    """Read the beginning of a conversation; it is empty if it is not valid."""
    value = _read_value(paths)
    if not is_array(value) or len(value) > _MOST_MESSAGES:
        return ()
    messages: list[tuple[str, str]] = []
    for each in value:
        role, content = (each.get("role"), each.get("content")) if is_object(each) else ("", "")
        if not isinstance(role, str) or role not in _ROLES or not isinstance(content, str):
            return ()
        messages.append((role, content))
    return tuple(messages)


def _read_value(paths: Sequence[Path]) -> object:
    if not paths:
        return None
    try:
        return parse_json(_read_text(paths[0]))
    except ValueError:  # the author's mistake; the model works without it
        return None
