"""A request for files of a repository, the selected files, and the error if there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.errors import UnknownModel
from ramalama.models.reference.names import HubName
from ramalama.units import human_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from ramalama.models.formats.model_files import FileKind
    from ramalama.models.options import ModelFormat
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.transports.selection.listing import ListedFile

_MOST_NAMED = 24
_MOST_COMPARED = 1000  # comparing takes time proportional to the square of a name's length


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest:
    """The request for a model or a file of a repository.

    Attributes:
        repository: as a reference, ``hf://org/repo``.
        format: the format to select if there are several.
        path: of one file in the repository; "" for a model.
        tag: a quantisation, in any letter case; "" selects the default one.
    """

    repository: str
    format: ModelFormat
    path: str = ""
    tag: str = ""

    @classmethod
    def of_hub(cls, reference: ModelRef, wanted: ModelFormat) -> Self:
        """Make a request from a reference to a hub; see `parse_name`."""
        name = HubName.parse(reference.location)
        at = f"@{name.revision}" if name.revision else ""
        return cls(
            repository=f"{reference.scheme}://{name.repository}{at}",
            format=wanted,
            path=name.file or "",
            tag=reference.tag,
        )


@dataclass(frozen=True, slots=True)
class SelectedFile:
    """A file that belongs to the model, and its kind."""

    file: ListedFile
    kind: FileKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A file or model that could be requested; *reference* is its reference."""

    name: str
    reference: str
    size: int

    def __str__(self) -> str:
        return f"{self.name} ({human_size(self.size)})"


def no_such(
    request: FileRequest, what: str, asked: str, choices: Sequence[Variant]
) -> UnknownModel:
    """Return an error: the repository has no *what* called *asked*, but it has *choices*."""
    alike = _most_alike(asked, choices)
    hint = f"did you mean {alike[0].name}? " if alike else ""
    ordered = [*alike, *(choice for choice in choices if choice not in alike)]
    named = ", ".join(map(str, choices[:_MOST_NAMED])) or "none"
    more = len(choices) - _MOST_NAMED
    rest = f" and {more} more" if more > 0 else ""
    return UnknownModel(
        f"{request.repository} has no {what} {asked!r}; {hint}there are: {named}{rest}",
        alternatives=tuple(choice.reference for choice in ordered[:_MOST_NAMED]),
    )


def _most_alike(asked: str, choices: Sequence[Variant]) -> list[Variant]:
    import difflib  # noqa: PLC0415 (few references are misspelt)

    by_name = {choice.name.lower(): choice for choice in choices[:_MOST_COMPARED]}
    return [by_name[name] for name in difflib.get_close_matches(asked.lower(), by_name)]
