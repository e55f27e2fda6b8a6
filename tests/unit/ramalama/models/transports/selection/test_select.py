"""Which files of a repository are the model: listings as the hubs' publishers make them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import ModelUnsupported, UnknownModel
from ramalama.models.formats.model_files import FileKind
from ramalama.models.options import ModelFormat
from ramalama.models.transports.selection.listing import ListedFile
from ramalama.models.transports.selection.request import FileRequest
from ramalama.models.transports.selection.select import select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.models.transports.selection.request import SelectedFile

MB = 10**6

# One directory, one file per quantisation, the projectors in it.
BARTOWSKI = (
    ".gitattributes",
    "README.md",
    "google_gemma-3-4b-it-IQ4_XS.gguf",
    "google_gemma-3-4b-it-Q4_0.gguf",
    "google_gemma-3-4b-it-Q4_K_L.gguf",
    "google_gemma-3-4b-it-Q4_K_M.gguf",
    "google_gemma-3-4b-it-Q8_0.gguf",
    "google_gemma-3-4b-it-bf16.gguf",
    "google_gemma-3-4b-it-imatrix.gguf",
    "mmproj-google_gemma-3-4b-it-bf16.gguf",
    "mmproj-google_gemma-3-4b-it-f16.gguf",
)
# Large quantisations split, in directories of their own; dynamic ones marked UD.
UNSLOTH = (
    "BF16/GLM-4.5-Air-BF16-00001-of-00002.gguf",
    "BF16/GLM-4.5-Air-BF16-00002-of-00002.gguf",
    "Q4_K_M/GLM-4.5-Air-Q4_K_M-00002-of-00002.gguf",
    "Q4_K_M/GLM-4.5-Air-Q4_K_M-00001-of-00002.gguf",
    "UD-Q4_K_XL/GLM-4.5-Air-UD-Q4_K_XL-00001-of-00002.gguf",
    "UD-Q4_K_XL/GLM-4.5-Air-UD-Q4_K_XL-00002-of-00002.gguf",
    "GLM-4.5-Air-UD-IQ1_S.gguf",
    "GLM-4.5-Air-UD-Q2_K_XL.gguf",
    "README.md",
    "config.json",
    "imatrix_unsloth.gguf_file",
)
# Speculative heads beside the model, whose own name says MTP, too.
WITH_DRAFTS = (
    "dflash-Qwen3.6-27B-Q8_0.gguf",
    "eagle3-Qwen3.6-27B-Q8_0.gguf",
    "mtp-Qwen3.6-27B-Q8_0.gguf",
    "Qwen3.6-27B-MTP-Q8_0.gguf",
)
# Names in small letters, a dot before the quantisation.
OLD_STYLE = ("ggml-model-q4_0.gguf", "ggml-model-q8_0.gguf", "tiny.f16.gguf")
# One projector for all models, others for the smaller.
TWO_MODELS = (
    "large/model-Q4_K_M.gguf",
    "mmproj-Q8_0.gguf",
    "small/mmproj-F16.gguf",
    "small/mmproj-F32.gguf",
    "small/model-Q6_K.gguf",
)
SHARDED = (
    ".gitattributes",
    "LICENSE",
    "README.md",
    "chat_template.jinja",
    "config.json",
    "consolidated.safetensors",
    "generation_config.json",
    "merges.txt",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "modeling_tiny.py",
    "original/consolidated.00.pth",
    "original/params.json",
    "preview.png",
    "pytorch_model.bin",
    "tokenizer.json",
)
EMBEDDING = (
    "1_Pooling/config.json",
    "2_Dense/config.json",
    "2_Dense/model.safetensors",
    "config.json",
    "model.safetensors",
    "modules.json",
    "onnx/model.onnx",
    "onnx/config.json",
    "tokenizer.json",
)
BOTH = ("config.json", "model.safetensors", "tiny-F16.gguf", "tokenizer.model")


def listed(*paths: str) -> list[ListedFile]:
    return [
        ListedFile(path=path, size=number * MB, sha256=None)
        for number, path in enumerate(paths, start=1)
    ]


def index_of(*names: object) -> bytes:
    return json.dumps({"weight_map": {f"layer.{n}": name for n, name in enumerate(names)}}).encode()


def choose(
    paths: Sequence[str],
    *,
    tag: str = "",
    path: str = "",
    wanted: ModelFormat = ModelFormat.GGUF,
    index: bytes = b"",
) -> tuple[SelectedFile, ...]:
    request = FileRequest(repository="hf://acme/tiny", format=wanted, path=path, tag=tag)
    return select(request, listed(*paths), read=lambda _file: index)


def names(selected: Sequence[SelectedFile]) -> list[str]:
    return [one.file.path for one in selected]


@pytest.mark.parametrize(
    ("paths", "tag", "first"),
    [
        (BARTOWSKI, "", "google_gemma-3-4b-it-Q4_K_M.gguf"),
        (BARTOWSKI, "Q4_0", "google_gemma-3-4b-it-Q4_0.gguf"),
        (BARTOWSKI, "q4_k_l", "google_gemma-3-4b-it-Q4_K_L.gguf"),
        (BARTOWSKI, "BF16", "google_gemma-3-4b-it-bf16.gguf"),
        (BARTOWSKI, "google_gemma-3-4b-it-IQ4_XS", "google_gemma-3-4b-it-IQ4_XS.gguf"),
        (UNSLOTH, "", "Q4_K_M/GLM-4.5-Air-Q4_K_M-00001-of-00002.gguf"),
        (UNSLOTH, "ud-iq1_s", "GLM-4.5-Air-UD-IQ1_S.gguf"),
        (UNSLOTH, "IQ1_S", "GLM-4.5-Air-UD-IQ1_S.gguf"),
        (UNSLOTH, "Q4_K_XL", "UD-Q4_K_XL/GLM-4.5-Air-UD-Q4_K_XL-00001-of-00002.gguf"),
        (WITH_DRAFTS, "", "Qwen3.6-27B-MTP-Q8_0.gguf"),
        (OLD_STYLE, "", "ggml-model-q8_0.gguf"),
        (OLD_STYLE, "F16", "tiny.f16.gguf"),
        (TWO_MODELS, "Q6_K", "small/model-Q6_K.gguf"),
        (("tiny-UD-Q4_K_M.gguf", "tiny-Q4_K_M.gguf"), "", "tiny-Q4_K_M.gguf"),
        (("tiny-IQ4_NL.gguf", "tiny-Q5_K_M.gguf"), "", "tiny-IQ4_NL.gguf"),
        (("Q4_K_M/tiny.gguf", "Q8_0/tiny.gguf"), "Q8_0", "Q8_0/tiny.gguf"),
        (("tiny.gguf",), "", "tiny.gguf"),
        (("TINY-Q8_0.GGUF",), "Q8_0", "TINY-Q8_0.GGUF"),
    ],
)
def test_a_tag_means_a_quantisation_and_none_means_a_good_one(
    paths: Sequence[str], tag: str, first: str
) -> None:
    assert names(choose(paths, tag=tag))[0] == first


def test_a_split_model_comes_whole_and_in_order() -> None:
    selected = choose(UNSLOTH)

    assert names(selected) == [
        "Q4_K_M/GLM-4.5-Air-Q4_K_M-00001-of-00002.gguf",
        "Q4_K_M/GLM-4.5-Air-Q4_K_M-00002-of-00002.gguf",
    ]
    assert {one.kind for one in selected} == {FileKind.GGUF}


def test_a_split_model_that_lacks_a_part_is_refused() -> None:
    paths = ("m-Q8_0-00001-of-00003.gguf", "m-Q8_0-00003-of-00003.gguf")

    with pytest.raises(
        ModelUnsupported, match=r"^hf://acme/tiny has only 2 of the 3 parts of m-Q8"
    ):
        choose(paths)


@pytest.mark.parametrize(
    ("paths", "tag", "projector"),
    [
        (BARTOWSKI, "", "mmproj-google_gemma-3-4b-it-bf16.gguf"),
        (TWO_MODELS, "Q4_K_M", "mmproj-Q8_0.gguf"),
        (TWO_MODELS, "Q6_K", "small/mmproj-F16.gguf"),
        (("tiny-F32.gguf", "mmproj-F16.gguf", "mmproj-F32.gguf"), "", "mmproj-F32.gguf"),
        (("tiny-Q8_0.gguf", "MMPROJ.gguf"), "", "MMPROJ.gguf"),
    ],
)
def test_the_projector_that_lies_nearest_comes_along(
    paths: Sequence[str], tag: str, projector: str
) -> None:
    last = choose(paths, tag=tag)[-1]

    assert (last.file.path, last.kind) == (projector, FileKind.PROJECTOR)


def test_the_projector_of_another_directory_is_another_models() -> None:
    selected = choose(("vision/mmproj-F16.gguf", "text/tiny-Q8_0.gguf"))

    assert names(selected) == ["text/tiny-Q8_0.gguf"]


def test_an_unknown_quantisation_is_refused_with_those_that_there_are_and_their_sizes() -> None:
    with pytest.raises(UnknownModel) as refused:
        choose(
            ("tiny-Q4_K_M.gguf", "Q8_0/t-00001-of-00002.gguf", "Q8_0/t-00002-of-00002.gguf"),
            tag="q4_k_s",
        )

    assert str(refused.value) == (
        "hf://acme/tiny has no quantisation 'q4_k_s'; did you mean Q4_K_M? "
        "there are: Q4_K_M (1.00 MB), Q8_0 (5.00 MB)"
    )
    assert refused.value.alternatives == ("hf://acme/tiny:Q4_K_M", "hf://acme/tiny:Q8_0")


def test_models_of_one_quantisation_are_told_apart_by_path() -> None:
    with pytest.raises(UnknownModel) as refused:
        choose(("a/tiny-Q8_0.gguf", "b/tiny-Q8_0.gguf", "plain.gguf"), tag="Q2_K")

    assert refused.value.alternatives == (
        "hf://acme/tiny/a/tiny-Q8_0.gguf",
        "hf://acme/tiny/b/tiny-Q8_0.gguf",
        "hf://acme/tiny/plain.gguf",
    )


def test_a_long_list_of_what_there_is_is_cut() -> None:
    with pytest.raises(UnknownModel, match=r"model-23\.gguf \(.*\) and 976 more$") as refused:
        choose([f"model-{number}.gguf" for number in range(1000)], tag="Q8_0")

    assert "model-24" not in str(refused.value)
    assert len(refused.value.alternatives) == 24


def test_what_is_typed_is_no_pattern() -> None:
    with pytest.raises(UnknownModel, match=r"no quantisation '\.\*'"):
        choose(BARTOWSKI, tag=".*")


@pytest.mark.parametrize("tag", ["Q4", "4_K_M", "Q4_K", "gemma"])
def test_a_tag_is_a_whole_word(tag: str) -> None:
    with pytest.raises(UnknownModel):
        choose(("x-Q4_K_M.gguf",), tag=tag)


@pytest.mark.parametrize(
    ("path", "selected", "kind"),
    [
        ("GLM-4.5-Air-UD-IQ1_S.gguf", ["GLM-4.5-Air-UD-IQ1_S.gguf"], FileKind.GGUF),
        ("BF16/GLM-4.5-Air-BF16-00002-of-00002.gguf", list(UNSLOTH[:2]), FileKind.GGUF),
        ("BF16/GLM-4.5-Air-BF16-00001-of-00002.gguf", list(UNSLOTH[:2]), FileKind.GGUF),
    ],
)
def test_a_file_that_is_named_comes_with_its_other_parts_and_nothing_else(
    path: str, selected: list[str], kind: FileKind
) -> None:
    chosen = choose(UNSLOTH, path=path)

    assert names(chosen) == selected
    assert {one.kind for one in chosen} == {kind}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("mmproj-google_gemma-3-4b-it-f16.gguf", FileKind.PROJECTOR),
        ("model.safetensors", FileKind.SAFETENSORS),
        ("mtp-tiny.gguf", FileKind.GGUF),
    ],
)
def test_a_file_that_is_named_is_taken_for_what_it_is(path: str, kind: FileKind) -> None:
    (one,) = choose((*BARTOWSKI, *BOTH, "mtp-tiny.gguf"), path=path)

    assert (one.file.path, one.kind) == (path, kind)


def test_names_that_differ_in_letter_case_are_different_files() -> None:
    paths = ("m-00001-of-00001.gguf", "m-00001-of-00001.GGUF")

    assert [names(choose(paths, path=path)) for path in paths] == [[path] for path in paths]


def test_a_file_that_is_listed_twice_is_taken_once() -> None:
    twice = [ListedFile(path="tiny.gguf", size=size) for size in (4, 8)]
    request = FileRequest(repository="hf://acme/tiny", format=ModelFormat.GGUF, path="tiny.gguf")

    assert names(select(request, twice, read=lambda _: b"")) == ["tiny.gguf"]


def test_an_unknown_file_is_refused_with_what_is_spelled_alike() -> None:
    with pytest.raises(UnknownModel) as refused:
        choose(("README.md", "tiny-Q4_K_M.gguf", "other.gguf"), path="tiny-q4_k_m.guff")

    assert "no file 'tiny-q4_k_m.guff'; did you mean tiny-Q4_K_M.gguf? " in str(refused.value)
    assert refused.value.alternatives[0] == "hf://acme/tiny/tiny-Q4_K_M.gguf"


def test_a_file_that_is_no_model_is_refused() -> None:
    with pytest.raises(ModelUnsupported, match=r"^hf://acme/tiny/README.md is not a model"):
        choose(BARTOWSKI, path="README.md")


@pytest.mark.parametrize(
    ("paths", "wanted", "tag", "first"),
    [
        (BOTH, ModelFormat.GGUF, "", "tiny-F16.gguf"),
        (BOTH, ModelFormat.SAFETENSORS, "", "model.safetensors"),
        (BOTH, ModelFormat.SAFETENSORS, "F16", "tiny-F16.gguf"),
        (BARTOWSKI, ModelFormat.SAFETENSORS, "", "google_gemma-3-4b-it-Q4_K_M.gguf"),
        (EMBEDDING, ModelFormat.GGUF, "", "model.safetensors"),
    ],
)
def test_the_runtime_decides_where_there_is_a_choice(
    paths: Sequence[str], wanted: ModelFormat, tag: str, first: str
) -> None:
    assert names(choose(paths, wanted=wanted, tag=tag))[0] == first


def test_a_quantisation_of_a_safetensors_model_is_refused() -> None:
    with pytest.raises(UnknownModel, match=r"no quantisation 'Q8_0'; there are: none$"):
        choose(EMBEDDING, tag="Q8_0")


@pytest.mark.parametrize(
    ("paths", "instead"),
    [
        (("pytorch_model.bin", "config.json"), r"files, only \.bin; look for"),
        (("a.onnx", "b.pth"), r"files, only \.pth and \.onnx; look for"),
        (("mmproj-F16.gguf", "imatrix.gguf", "unet/model.safetensors"), "files; look for"),
        ((), "files; look for"),
    ],
)
def test_a_repository_without_a_model_is_refused(paths: Sequence[str], instead: str) -> None:
    with pytest.raises(ModelUnsupported, match=rf"^hf://acme/tiny has no GGUF .*{instead}"):
        choose(paths)


def test_a_safetensors_model_is_its_shards_and_what_a_server_reads_but_no_code() -> None:
    index = index_of(*SHARDED[8:10], SHARDED[8])

    selected = choose(SHARDED, index=index)

    assert [(one.file.path, one.kind) for one in selected] == [
        ("model-00001-of-00002.safetensors", FileKind.SAFETENSORS),
        ("model-00002-of-00002.safetensors", FileKind.SAFETENSORS),
        ("chat_template.jinja", FileKind.CHAT_TEMPLATE),
        ("config.json", FileKind.OTHER),
        ("generation_config.json", FileKind.OTHER),
        ("merges.txt", FileKind.OTHER),
        ("model.safetensors.index.json", FileKind.OTHER),
        ("tokenizer.json", FileKind.OTHER),
    ]


def test_the_modules_of_an_embedding_model_come_along() -> None:
    assert names(choose(EMBEDDING)) == [
        "model.safetensors",
        "2_Dense/model.safetensors",
        "config.json",
        "modules.json",
        "tokenizer.json",
        "1_Pooling/config.json",
        "2_Dense/config.json",
    ]


@pytest.mark.parametrize(
    ("paths", "weights"),
    [
        (("model.fp16.safetensors", "model.safetensors"), ["model.safetensors"]),
        (("consolidated.safetensors", "weights.safetensors"), ["weights.safetensors"]),
        (("consolidated.safetensors", "params.json"), ["consolidated.safetensors"]),
    ],
)
def test_weights_are_taken_once(paths: Sequence[str], weights: list[str]) -> None:
    selected = choose(paths)

    assert [one.file.path for one in selected if one.kind is FileKind.SAFETENSORS] == weights


def test_a_missing_shard_of_the_index_is_reported() -> None:
    with pytest.raises(ModelUnsupported, match=r"lacks 'model-3\.safetensors', one of 2 files"):
        choose(SHARDED, index=index_of("model-3.safetensors", SHARDED[8]))


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"weight_map": []}',
        b'{"weight_map": {}}',
        b'{"weight_map": {"a": ["x"]}}',
        b"[" * 100_000,
    ],
)
def test_an_index_that_makes_no_sense_is_refused(index: bytes) -> None:
    with pytest.raises(ModelUnsupported, match=r"index\.json that is not valid$"):
        choose(SHARDED, index=index)


def test_far_too_many_small_files_are_refused() -> None:
    with pytest.raises(ModelUnsupported, match="501 small files"):
        choose(("model.safetensors", *(f"{number}.json" for number in range(501))))
