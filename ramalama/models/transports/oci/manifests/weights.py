"""Select one model from the files of an image or artifact, which may hold several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from ramalama.errors import ModelUnsupported
from ramalama.models.formats import model_files
from ramalama.models.formats.model_files import FileKind
from ramalama.models.options import ModelFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

_WEIGHTS = {ModelFormat.GGUF: FileKind.GGUF, ModelFormat.SAFETENSORS: FileKind.SAFETENSORS}


class Named(Protocol):
    """A file of a model, with name and kind."""

    @property
    def name(self) -> str:
        """The relative path within the model."""
        ...

    @property
    def kind(self) -> FileKind:
        """The file's purpose for the server."""
        ...


F = TypeVar("F", bound=Named)


def one_model(files: Sequence[F], wanted: ModelFormat, *, name: str) -> tuple[F, ...]:
    """Return the first model in *files*, in the format *wanted* if there are several.

    Its weights come first, in order; all files other than weights are kept.

    Raises:
        ModelUnsupported: *name* has no weights, or lacks a part of them.
    """
    found = {kind: [file for file in files if file.kind is kind] for kind in _WEIGHTS.values()}
    weights = found[_WEIGHTS[wanted]] or [file for kind in found.values() for file in kind]
    if not weights:
        msg = f"{name} holds no GGUF or safetensors files"
        raise ModelUnsupported(msg)
    if weights[0].kind is FileKind.GGUF:
        weights = _first_set(weights, name)
    return (*weights, *(file for file in files if file.kind not in found))


def _first_set(weights: Sequence[F], name: str) -> list[F]:
    """Return the first file, or all parts of the split model that it belongs to."""
    first = model_files.part_of(weights[0].name)
    if first is None:
        return [weights[0]]
    parts = {
        part.number: file
        for file in weights
        if (part := model_files.part_of(file.name))
        and (part.stem, part.count) == (first.stem, first.count)
    }
    for number in range(1, first.count + 1):
        if number not in parts:
            msg = f"{name} lacks part {number} of {first.count} of {first.stem}"
            raise ModelUnsupported(msg)
    return [parts[number] for number in sorted(parts)]
