"""Read the first bytes of a GGUF file; GGUF specification, version 3.

offset  size  field
0       4     magic, "GGUF"
4       4     version, 2 or 3 (1 is obsolete), in the file's byte order
8       8     number of tensors
16      8     number of metadata entries
"""

from __future__ import annotations

import re
import struct
import sys
from typing import TYPE_CHECKING, Literal, Self

from ramalama.errors import ModelUnsupported, WrongEndianness
from ramalama_values import frozen

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC = b"GGUF"
_FIXED = struct.Struct("<4sIQQ")
_NEWEST_VERSION = 0xFFFF  # a version in the other byte order is far beyond this
_OLDEST_VERSION = 2

# The first bytes of what is often found in the place of a model.
_OTHERS = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself"),
    (b"<", "a web page, not a model; does the file need a login, or another address?"),
    (b"PK\x03\x04", "a zip archive, as PyTorch writes it, and not a GGUF file"),
    (b"\x1f\x8b", "compressed with gzip, and not a GGUF file"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd, and not a GGUF file"),
    (b"ggjt", "a model in GGML's old format, and not a GGUF file"),
    (b"tjgg", "a model in GGML's old format, and not a GGUF file"),
    (b"\x80\x02", "a pickle of PyTorch, and not a GGUF file"),
)

ENCODERS = frozenset({
    *("bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert"),
    *("neo-bert", "eurobert", "gemma-embedding", "gemma-embedding2", "t5encoder", "llama-embed"),
})  # fmt: skip
"""llama.cpp's names of the architectures that generate no text."""

# The fixed part, a name of 20 bytes, the type of texts (8), and a text; of little-endian files.
_FIRST_KEY = rb"(?s).{24}\x14\0{7}general\.architecture\x08\0{3}(.{8})(.*)"
_BEGINNING = 256  # bytes; the first key is within them

# The largest vocabulary in use has seven megabytes; the template is before or after it.
_METADATA = 32 * 1024 * 1024
_TEMPLATE_KEY = b"tokenizer.chat_template"
_STRING = 8  # GGUF's number of the type
_TEMPLATE = struct.pack("<Q", len(_TEMPLATE_KEY)) + _TEMPLATE_KEY + struct.pack("<I", _STRING)

ByteOrder = Literal["little", "big"]


@frozen()
class GGUFHeader:
    """The fixed part of the header."""

    version: int
    byte_order: ByteOrder
    tensor_count: int

    @classmethod
    def parse(cls, head: bytes, *, name: str) -> Self:
        """Parse the first bytes of the file *name*.

        Raises:
            ModelUnsupported: it is not GGUF, its version is too old for any server, or it is cut
            off.
        """
        if not head:
            msg = f"{name} is empty"
            raise ModelUnsupported(msg)
        if not head.startswith(_MAGIC):
            what = recognize(head) or f"not a GGUF file (it begins with {head[:4]!r})"
            msg = f"{name} is {what}"
            raise ModelUnsupported(msg)
        if len(head) < _FIXED.size:
            msg = f"{name} is cut off after {len(head)} bytes"
            raise ModelUnsupported(msg)
        little = struct.unpack_from("<IQ", head, 4)
        big = struct.unpack_from(">IQ", head, 4)
        order: ByteOrder = "little" if little[0] <= _NEWEST_VERSION else "big"
        version, tensors = little if order == "little" else big
        if not _OLDEST_VERSION <= version <= _NEWEST_VERSION:
            msg = f"{name} is GGUF of version {version}, which no server reads any more"
            raise ModelUnsupported(msg)
        return cls(version=version, byte_order=order, tensor_count=tensors)


def recognize(head: bytes) -> str | None:
    """Return what a file is that begins like other files than models; None if it is not known."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    begins = (what for start, what in _OTHERS if text.startswith(start) or start.startswith(text))
    return next(begins, None) if text else None


def check_header(path: Path, *, name: str | None = None) -> GGUFHeader:
    """Read the header of *path*, and make sure that a server of this machine can load the file.

    *name* is the file's name in messages, by default its path.

    Raises:
        ModelUnsupported: see `GGUFHeader.parse`.
        WrongEndianness: the file is for machines of the other byte order.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return check_beginning(file.read(_FIXED.size), name=name or str(path))


def check_beginning(head: bytes, *, name: str) -> GGUFHeader:
    """Check *head*, the first bytes of the file *name*; see `check_header`."""
    header = GGUFHeader.parse(head[: _FIXED.size], name=name)
    if header.byte_order != sys.byteorder:
        msg = (
            f"{name} is a {header.byte_order}-endian model; this machine is {sys.byteorder}-endian"
        )
        raise WrongEndianness(msg)
    return header


def first_architecture(path: Path) -> str | None:
    """Return the architecture of the model in a GGUF file, if it is the first key of the header.

    Nearly always it is, and the rest of the header, which can be megabytes, need not be read.

    Raises:
        ModelUnsupported: see `GGUFHeader.parse`.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_BEGINNING)
    GGUFHeader.parse(head, name=str(path))
    found = re.match(_FIRST_KEY, head)
    if found is None:
        return None
    (length,) = struct.unpack("<Q", found[1])
    name = found[2][:length]
    return name.decode(errors="replace") if len(name) == length else None


def generates_text(path: Path) -> bool:
    """Return whether a GGUF file says at its beginning that its model generates text.

    False if it does not say so, or cannot be read.
    """
    try:
        architecture = first_architecture(path)
    except (OSError, ModelUnsupported):
        return False
    return architecture is not None and architecture not in ENCODERS


def has_chat_template(path: Path) -> bool:
    """Return whether a GGUF file has a template; search its key, since parsing takes too long.

    Raises:
        OSError: the file cannot be read.
    """
    from mmap import ACCESS_READ, mmap  # noqa: PLC0415 (most commands do not need it)

    if not path.stat().st_size:  # mmap(2) rejects it; the server will report it
        return False
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return content.find(_TEMPLATE, 0, _METADATA) >= 0
