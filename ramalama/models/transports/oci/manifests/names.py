"""What a server does with a file, going by its name or by how it begins."""

from __future__ import annotations

from ramalama.models.formats.kinds import FileKind
from ramalama.models.transports.selection import gguf_names

_SUFFIXES = {"safetensors": FileKind.SAFETENSORS, "jinja": FileKind.CHAT_TEMPLATE}
_GGUF_MAGIC = b"GGUF"


def kind_of_name(name: str) -> FileKind | None:
    """Tell what the file is for; None for code, which would be run, and is left where it is."""
    last = name.rpartition("/")[2].lower()
    if last.endswith(".py"):
        return None
    if gguf_names.is_projector(name):
        return FileKind.PROJECTOR
    if gguf_names.is_model(name):
        return FileKind.GGUF
    if last.startswith(("license", "licence")):
        return FileKind.LICENSE
    return _SUFFIXES.get(last.rpartition(".")[2], FileKind.OTHER)


def kind_of_content(name: str, head: bytes) -> FileKind | None:
    """As `kind_of_name`, but a GGUF file whose name does not say so is one, too."""
    kind = kind_of_name(name)
    if kind is FileKind.OTHER and head.startswith(_GGUF_MAGIC) and not gguf_names.is_gguf(name):
        return FileKind.GGUF
    return kind
