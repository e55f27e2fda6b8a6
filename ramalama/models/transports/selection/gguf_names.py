"""Parse the names of GGUF files; conventions of llama.cpp and of publishers of models.

    tiny-Q4_K_M.gguf                         a model, quantised
    Q8_0/tiny-Q8_0-00001-of-00003.gguf       a part of one
    mmproj-F16.gguf                          turns pictures or sound into embeddings
        mtp-tiny-Q8_0.gguf, imatrix.gguf         not models: a draft model, and quantisation data

Source: llama.cpp, common/download.cpp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
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
