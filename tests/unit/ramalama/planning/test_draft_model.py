"""A model that guesses ahead for another: which may, and what becomes of the two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ramalama.errors import ModelUnsupported
from ramalama.models.reference.reference import ModelRef
from ramalama.models.store.stored_model import StoredModel
from ramalama.planning.draft_model import check_draft, with_draft
from tests.unit.ramalama.models.formats.made_gguf import STRING, array, gguf, string, text


def stored(name: str, *files: str, directory: str | None = None) -> StoredModel:
    return StoredModel(
        reference=ModelRef.parse(f"hf://org/{name}"),
        weights=tuple(map(Path, files)),
        directory=Path(directory) if directory else None,
    )


LARGE = stored("large", "/l-00001-of-00002.gguf", "/l-00002-of-00002.gguf")
SMALL = stored("small", "/s.gguf")
LARGE_DIRECTORY = stored("large", "/l/model.safetensors", directory="/l")
SMALL_DIRECTORY = stored("small", "/s/model.safetensors", directory="/s")


@pytest.mark.parametrize(
    ("model", "draft", "path"),
    [
        (LARGE, SMALL, "/s.gguf"),
        (SMALL, SMALL, "/s.gguf"),
        (replace(SMALL, draft=Path("/authors.gguf")), SMALL, "/s.gguf"),
        (LARGE_DIRECTORY, SMALL_DIRECTORY, "/s"),
    ],
)
def test_the_draft_belongs_to_the_model_whatever_its_author_chose(
    model: StoredModel, draft: StoredModel, path: str
) -> None:
    assert with_draft(model, draft) == replace(model, draft=Path(path))


@pytest.mark.parametrize(
    ("model", "draft", "complaint"),
    [
        (
            SMALL,
            LARGE,
            "hf://org/large cannot be the draft model of hf://org/small: it has 2 files",
        ),
        (LARGE, SMALL_DIRECTORY, "use two models of the same format"),
        (LARGE_DIRECTORY, SMALL, "use two models of the same format"),
    ],
)
def test_what_no_server_could_be_told_is_refused(
    model: StoredModel, draft: StoredModel, complaint: str
) -> None:
    with pytest.raises(ModelUnsupported, match=complaint):
        with_draft(model, draft)


def write(path: Path, kind: str, tokens: int) -> Path:
    words = [text(f"t{number}") for number in range(tokens)]
    keys = {"tokenizer.ggml.model": string(kind), "tokenizer.ggml.tokens": array(STRING, words)}
    path.write_bytes(gguf(keys))
    return path


@pytest.mark.parametrize(
    ("kind", "tokens", "message"),
    [
        ("gpt2", 300, None),
        ("gpt2", 428, None),
        ("gpt2", 172, None),
        ("gpt2", 429, "it has 429 tokens of the kind 'gpt2', the model 300 of 'gpt2'"),
        ("llama", 300, "it has 300 tokens of the kind 'llama', the model 300 of 'gpt2'"),
    ],
)
def test_a_draft_of_another_family_is_refused(
    tmp_path: Path, kind: str, tokens: int, message: str | None
) -> None:
    model = replace(
        SMALL,
        weights=(write(tmp_path / "large.gguf", "gpt2", 300),),
        draft=write(tmp_path / "small.gguf", kind, tokens),
    )

    if message is None:
        check_draft(model)
    else:
        with pytest.raises(ModelUnsupported) as caught:
            check_draft(model)
        assert str(caught.value) == (
            f"the draft model of hf://org/small is of another family: {message}"
        )


@pytest.mark.parametrize(
    "model", [SMALL, with_draft(SMALL, SMALL), with_draft(LARGE_DIRECTORY, SMALL_DIRECTORY)]
)
def test_no_file_is_read_where_there_is_nothing_to_compare(model: StoredModel) -> None:
    check_draft(model)  # none of these files is there
