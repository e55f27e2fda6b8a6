"""The GGUF models of a repository: what the names of their files mean, and which one is selected.

The names follow conventions of llama.cpp and of publishers of models:

    tiny-Q4_K_M.gguf                         a model, quantised
    Q8_0/tiny-Q8_0-00001-of-00003.gguf       a part of one
    mmproj-F16.gguf                          turns pictures or sound into embeddings
    mtp-tiny-Q8_0.gguf, imatrix.gguf         not models: a draft model, and quantisation data

A model is selected by the rules of llama.cpp (common/download.cpp). Without a tag: Q4_K_M, or else
Q8_0, or else the first in the listing. With a tag: the quantisation of that name, or else the first
path that contains it as a word. All parts of a split model are selected, and the nearest projector.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.model_files import FileKind
from ramalama.models.transports.selection.request import SelectedFile, Variant, no_such

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ramalama.models.transports.selection.listing import ListedFile
    from ramalama.models.transports.selection.request import FileRequest

_PREFERRED = ("Q4_K_M", "Q8_0")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A whole file, or the existing parts of a split model.

    Attributes:
        parts: in order.
        count: the number of parts of a complete model.
    """

    parts: tuple[ListedFile, ...]
    count: int

    @property
    def path(self) -> str:
        """The path of the first part, which servers load."""
        return self.parts[0].path

    @property
    def size(self) -> int:
        """The bytes of all parts."""
        return sum(part.size for part in self.parts)

    def all_parts(self, request: FileRequest) -> tuple[ListedFile, ...]:
        """Return all parts.

        Raises:
            ModelUnsupported: a part is missing.
        """
        if len(self.parts) == self.count:
            return self.parts
        msg = (
            f"{request.repository} has only {len(self.parts)} of the {self.count} parts "
            f"of {self.path}; its upload is not complete"
        )
        raise ModelUnsupported(msg)


def select_gguf(request: FileRequest, files: Sequence[ListedFile]) -> tuple[SelectedFile, ...]:
    """Select a model among *files*; there must be at least one.

    Raises:
        UnknownModel: none has the requested quantisation.
        ModelUnsupported: the selected model is not complete.
    """
    models = group(file for file in files if is_model(file.path))
    weights = _choose(request, models)
    selected = [SelectedFile(part, FileKind.GGUF) for part in weights.all_parts(request)]
    if projector := _nearest_projector(weights.path, files):
        selected.append(SelectedFile(projector, FileKind.PROJECTOR))
    return tuple(selected)


def list_variants(request: FileRequest, files: Iterable[ListedFile]) -> tuple[Variant, ...]:
    """Return all models among *files*, usually the same one in several quantisations."""
    return tuple(_choices(request, group(file for file in files if is_model(file.path))))


def group(files: Iterable[ListedFile]) -> list[Weights]:
    """Combine the parts of split models, in the order of the listing."""
    found: dict[tuple[str, str, int], dict[int, ListedFile]] = {}
    for file in files:
        if part := part_of(file.path):
            ending = file.path[-len(".gguf") :]  # in whatever letter case
            found.setdefault((part.stem, ending, part.count), {})[part.number] = file
        else:
            found[file.path, "", 1] = {1: file}
    return [
        Weights(parts=tuple(parts[number] for number in sorted(parts)), count=count)
        for (*_, count), parts in found.items()
    ]


def _choose(request: FileRequest, models: Sequence[Weights]) -> Weights:
    if request.tag:
        if weights := _tagged(request.tag, models):
            return weights
        raise no_such(request, "quantisation", request.tag, _choices(request, models))
    preferred = (weights for tag in _PREFERRED if (weights := _tagged(tag, models)))
    return next(preferred, models[0])


def _tagged(tag: str, models: Sequence[Weights]) -> Weights | None:
    word = rf"(?i)(?<![0-9a-z]){re.escape(tag)}(?=[./-])"
    return next(
        (one for one in models if tag.upper() == quantisation(one.path)),
        next((one for one in models if re.search(word, one.path)), None),
    )


def _choices(request: FileRequest, models: Sequence[Weights]) -> list[Variant]:
    """Return the models by quantisation, or by path if the quantisation is not unique."""
    tags = [quantisation(one.path) for one in models]
    often = Counter(tags)
    return [
        Variant(name=tag, reference=f"{request.repository}:{tag}", size=one.size)
        if tag and often[tag] == 1
        else Variant(name=one.path, reference=f"{request.repository}/{one.path}", size=one.size)
        for tag, one in zip(tags, models, strict=True)
    ]


def _nearest_projector(model: str, files: Sequence[ListedFile]) -> ListedFile | None:
    """Return the projector in the deepest directory above *model*, of the nearest precision."""
    projectors = [
        file for file in files if is_projector(file.path) and model.startswith(_directory(file))
    ]

    def distance(file: ListedFile) -> tuple[int, int]:
        difference = abs(bits(file.path) - bits(model))
        return -len(_directory(file)), difference

    return min(projectors, key=distance, default=None)


def _directory(file: ListedFile) -> str:
    """Return the directory of a file's path; it ends with "/" unless it is ""."""
    return file.path[: -len(file.name)]
