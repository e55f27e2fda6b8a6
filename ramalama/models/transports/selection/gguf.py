"""Select one of the GGUF models of a repository, by the rules of llama.cpp.

Without a tag: Q4_K_M, or else Q8_0, or else the first in the listing. With a tag: the quantisation
of that name, or else the first path that contains it as a word. All parts of a split model are
selected, and the nearest projector.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.formats import model_files
from ramalama.models.formats.model_files import FileKind
from ramalama.models.transports.selection.request import SelectedFile, Variant, no_such

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ramalama.models.transports.selection.listing import ListedFile
    from ramalama.models.transports.selection.request import FileRequest

_PREFERRED = ("Q4_K_M", "Q8_0")


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
    models = group(file for file in files if model_files.is_model(file.path))
    weights = _choose(request, models)
    selected = [SelectedFile(part, FileKind.GGUF) for part in weights.all_parts(request)]
    if projector := _nearest_projector(weights.path, files):
        selected.append(SelectedFile(projector, FileKind.PROJECTOR))
    return tuple(selected)


def list_variants(request: FileRequest, files: Iterable[ListedFile]) -> tuple[Variant, ...]:
    """Return all models among *files*, usually the same one in several quantisations."""
    return tuple(
        _choices(request, group(file for file in files if model_files.is_model(file.path)))
    )


def group(files: Iterable[ListedFile]) -> list[Weights]:
    """Combine the parts of split models, in the order of the listing."""
    found: dict[tuple[str, str, int], dict[int, ListedFile]] = {}
    for file in files:
        if part := model_files.part_of(file.path):
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
        (one for one in models if tag.upper() == model_files.quantisation(one.path)),
        next((one for one in models if re.search(word, one.path)), None),
    )


def _choices(request: FileRequest, models: Sequence[Weights]) -> list[Variant]:
    """Return the models by quantisation, or by path if the quantisation is not unique."""
    tags = [model_files.quantisation(one.path) for one in models]
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
        file
        for file in files
        if model_files.is_projector(file.path) and model.startswith(_directory(file))
    ]

    def distance(file: ListedFile) -> tuple[int, int]:
        difference = abs(model_files.bits(file.path) - model_files.bits(model))
        return -len(_directory(file)), difference

    return min(projectors, key=distance, default=None)


def _directory(file: ListedFile) -> str:
    """Return the directory of a file's path; it ends with "/" unless it is ""."""
    return file.path[: -len(file.name)]
