r"""A file of a model: its name, its purpose, and the digest of its content.

Servers announce names, and they are checked here before they become paths:

name    = segment *("/" segment)      at most 1024 bytes of UTF-8
segment = 1 to 255 bytes; printable, no "\", and neither "." nor ".."

The names of GGUF files follow conventions of llama.cpp (common/download.cpp) and of publishers:

tiny-Q4_K_M.gguf                         a model, quantised
Q8_0/tiny-Q8_0-00001-of-00003.gguf       a part of one
mmproj-F16.gguf                          turns pictures or sound into embeddings
mtp-tiny-Q8_0.gguf, imatrix.gguf         not models: a draft model, and quantisation data
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from ramalama.errors import ModelUnsupported
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable


_LONGEST_NAME = 1024
_LONGEST_SEGMENT = 255  # NAME_MAX of every file system that matters


def checked_name(text: str) -> str:
    """Return *text* if it is a relative path that stays below its directory.

    Raises:
        ModelUnsupported: it is not such a path.
    """
    segments = text.split("/")
    # Printable text has no control character, no NUL and no half of a surrogate pair.
    if "\\" in text or not text.isprintable() or not all(map(_is_segment, segments)):
        msg = f"the model has a file {text[:100]!r}, which is not a valid file name"
        raise ModelUnsupported(msg)
    if len(text.encode()) > _LONGEST_NAME:
        msg = f"the model has a file with a name of over {_LONGEST_NAME} bytes, {text[:100]!r}…"
        raise ModelUnsupported(msg)
    return text


def check_together(names: Iterable[str]) -> None:
    """Make sure that *names* can exist in one directory, even on a disk that ignores letter case.

    Raises:
        ModelUnsupported: two names are the same, or one is a directory of another.
    """
    seen: dict[str, str] = {}
    for name in names:
        folded = _folded(name)
        if folded in seen:
            raise _conflict(name, seen[folded])
        seen[folded] = name
    for folded, name in seen.items():
        parent = folded
        while parent := parent.rpartition("/")[0]:
            if parent in seen:
                raise _conflict(name, seen[parent])


def _conflict(name: str, other: str) -> ModelUnsupported:
    msg = f"the model has the files {other[:100]!r} and {name[:100]!r}, which cannot coexist"
    return ModelUnsupported(msg)


def _is_segment(text: str) -> bool:
    length = len(text) if text.isascii() else len(text.encode())
    return text not in ("", ".", "..") and length <= _LONGEST_SEGMENT


def _folded(name: str) -> str:
    """Return *name* as a file system compares it that ignores letter case and composition."""
    if name.isascii():
        return name.lower()
    import unicodedata  # noqa: PLC0415 (the names of most models are ASCII)

    return unicodedata.normalize("NFD", name).casefold()


class FileKind(StrEnum):
    """The purpose of a file; values that upstream RamaLama's store has are spelled as there."""

    GGUF = "gguf"
    SAFETENSORS = "safetensor"
    PROJECTOR = "mmproj"
    ADAPTER = "adapter"
    DRAFT = "draft"
    CHAT_TEMPLATE = "chat_template"  # Jinja
    GO_TEMPLATE = "go_template"  # Ollama's
    SYSTEM = "system"  # text
    PARAMETERS = "params"  # a JSON object of Ollama's option names
    MESSAGES = "messages"  # a JSON list of {"role", "content"}
    LICENSE = "license"
    OTHER = "other"


WEIGHTS = frozenset({FileKind.GGUF, FileKind.SAFETENSORS})

_SUFFIX = ".gguf"
_PART = r"(?is)(?P<stem>.+)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})\.gguf"
_QUANTISATION = (
    r"(?i)(?<![0-9a-z])(?:UD-)?"
    r"(?:I?Q[0-9]|TQ[0-9]|BF16|F(?:16|32|64)|(?:MX|NV)?FP[0-9]+|INT[0-9]+)(?:_[0-9a-z]+)*(?=[./-])"
)
_PROJECTOR = "mmproj"
_IMATRIX = "imatrix"
# Only in lower case: a model with such a layer built in has "MTP" in its name.
_DRAFTS = ("mtp-", "eagle3-", "dflash-", "dspark-")


@frozen(kw_only=False)
class Part:
    """A part of a split model; *stem* is the path without the numbers, common to all parts."""

    stem: str
    number: int
    count: int


def is_gguf(path: str) -> bool:
    """Return whether the file is a GGUF file of any kind."""
    return path.lower().endswith(_SUFFIX)


def is_projector(path: str) -> bool:
    """Return whether the file is a projector for another model."""
    return is_gguf(path) and _PROJECTOR in _name(path).lower()


def is_model(path: str) -> bool:
    """Return whether a server can be started with the file, or with its split model."""
    name = _name(path)
    return (
        is_gguf(path)
        and _PROJECTOR not in name.lower()
        and _IMATRIX not in name.lower()
        and not any(draft in name for draft in _DRAFTS)
    )


def part_of(path: str) -> Part | None:
    """Parse the numbers of a part; return None if the file is not a part."""
    match = re.fullmatch(_PART, path)
    if match is None:
        return None
    part = Part(match["stem"], int(match["number"]), int(match["count"]))
    return part if 1 <= part.number <= part.count else None


def quantisation(path: str) -> str:
    """Return the quantisation in the name or directory, ``UD-Q4_K_XL``; "" if there is none."""
    found: list[str] = re.findall(_QUANTISATION, path)
    return found[-1].upper() if found else ""


def bits(path: str) -> int:
    """Return roughly how many bits a weight has; 0 if the name does not say."""
    match = re.search(r"[0-9]+", quantisation(path))
    return int(match[0]) if match else 0


def _name(path: str) -> str:
    return path.rpartition("/")[2]


_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_LENGTH = 64


@frozen(kw_only=False)
class Digest:
    """A SHA-256 digest, as 64 hexadecimal digits in lower case."""

    hex: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``sha256:HEX``, ``sha256-HEX`` (file names have no colon) or bare hex.

        Raises:
            ValueError: *text* is none of them, and must not become part of a path.
        """
        # Without a regular expression, whose compilation takes longer than listing all models.
        digits = text.removeprefix("sha256:") if ":" in text else text.removeprefix("sha256-")
        if len(digits) != _LENGTH or not _HEXADECIMAL.issuperset(digits):
            msg = f"{text[:100]!r} is not a SHA-256 digest"
            raise ValueError(msg)
        return cls(digits.lower())

    @property
    def file_name(self) -> str:
        """The form without a colon, ``sha256-HEX``."""
        return f"sha256-{self.hex}"

    def __str__(self) -> str:
        return f"sha256:{self.hex}"
