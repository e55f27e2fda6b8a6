"""What holds for every listing, honest or not."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ramalama.errors import ModelError, ModelUnsupported, UnknownModel
from ramalama.models.formats.model_files import FileKind, part_of
from ramalama.models.options import ModelFormat
from ramalama.models.transports.selection.listing import ListedFile
from ramalama.models.transports.selection.request import FileRequest
from ramalama.models.transports.selection.select import select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn

    from ramalama.models.transports.selection.request import SelectedFile

REPOSITORY = "hf://acme/tiny"
WORDS = ["tiny", "mmproj", "imatrix", "mtp-x", "Q4_K_M", "UD-Q8_0", "f16", "model"]
PARTS = ["", "", "-00001-of-00002", "-00002-of-00002", "-00001-of-00001"]
SUFFIXES = [".gguf", ".gguf", ".GGUF", ".safetensors", ".safetensors.index.json", ".json", ".py"]


@st.composite
def paths(draw: DrawFn) -> str:
    name = "-".join(draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3)))
    directory = draw(st.sampled_from(["", "", "Q8_0/", "a/", "a/b/"]))
    return directory + name + draw(st.sampled_from(PARTS)) + draw(st.sampled_from(SUFFIXES))


@st.composite
def listings(draw: DrawFn) -> list[ListedFile]:
    found = draw(st.lists(paths(), unique=True))
    return [ListedFile(path=path, size=draw(st.integers(0, 2**50))) for path in found]


@st.composite
def wishes(draw: DrawFn) -> FileRequest:
    typed = st.text(string.printable, min_size=1, max_size=4)
    return FileRequest(
        repository=REPOSITORY,
        format=draw(st.sampled_from(ModelFormat)),
        tag=draw(st.one_of(st.just(""), st.sampled_from(WORDS), typed)),
        path=draw(st.one_of(st.just(""), paths())),
    )


def outcome(
    request: FileRequest, files: Sequence[ListedFile], index: bytes = b""
) -> tuple[SelectedFile, ...] | ModelError:
    try:
        return select(request, files, read=lambda _file: index)
    except ModelError as refusal:
        return refusal


@settings(deadline=None)
@given(request=wishes(), files=listings(), index=st.binary(max_size=40))
def test_what_is_selected_was_listed_and_is_complete(
    request: FileRequest, files: list[ListedFile], index: bytes
) -> None:
    selected = outcome(request, files, index)

    if isinstance(selected, ModelError):
        assert str(selected).startswith(REPOSITORY)
        assert "\n" not in str(selected)
        return
    chosen = [one.file for one in selected]
    assert set(chosen) <= set(files)
    assert len(set(chosen)) == len(chosen)
    assert not any(file.path.endswith(".py") for file in chosen)
    parts = [part_of(one.file.path) for one in selected if one.kind is FileKind.GGUF]
    assert [part.number for part in parts if part] in ([], [*range(1, len(parts) + 1)])
    assert {part.count for part in parts if part} <= {len(parts)}


@settings(deadline=None)
@given(request=wishes(), files=listings())
def test_what_is_offered_instead_can_be_asked_for(
    request: FileRequest, files: list[ListedFile]
) -> None:
    refused = outcome(request, files)

    for reference in refused.alternatives if isinstance(refused, UnknownModel) else ():
        _, _, tag = reference.removeprefix("hf://").partition(":")
        path = "" if tag else reference.removeprefix(f"{REPOSITORY}/")
        again = outcome(
            FileRequest(repository=REPOSITORY, format=request.format, tag=tag, path=path), files
        )
        if isinstance(again, ModelError):
            assert isinstance(again, ModelUnsupported)
            assert "not complete" in str(again)
