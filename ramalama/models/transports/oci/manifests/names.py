"""Find the purpose of a file by its name or its first bytes."""

from __future__ import annotations

from ramalama.models.formats import model_files
from ramalama.models.formats.model_files import FileKind

_SUFFIXES = {"safetensors": FileKind.SAFETENSORS, "jinja": FileKind.CHAT_TEMPLATE}
_GGUF_MAGIC = b"GGUF"


def kind_of_name(name: str) -> FileKind | None:
    """Return the file's purpose; None for code, which could be run and is therefore not used."""
    last = name.rpartition("/")[2].lower()
    if last.endswith(".py"):
        return None
    if model_files.is_projector(name):
        return FileKind.PROJECTOR
    if model_files.is_model(name):
        return FileKind.GGUF
    if last.startswith(("license", "licence")):
        return FileKind.LICENSE
    return _SUFFIXES.get(last.rpartition(".")[2], FileKind.OTHER)


def kind_of_content(name: str, head: bytes) -> FileKind | None:
    """As `kind_of_name`, but also recognize a GGUF file by its first bytes."""
    kind = kind_of_name(name)
    if kind is FileKind.OTHER and head.startswith(_GGUF_MAGIC) and not model_files.is_gguf(name):
        return FileKind.GGUF
    return kind
