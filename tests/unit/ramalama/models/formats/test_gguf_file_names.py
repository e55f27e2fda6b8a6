"""What the names of GGUF files tell."""

from __future__ import annotations

import pytest

from ramalama.models.formats import model_files
from ramalama.models.formats.model_files import Part


@pytest.mark.parametrize(
    ("path", "quantisation", "bits"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "Q4_1", 4),
        ("Llama-3.2-1B-Instruct-Q4_K_M.gguf", "Q4_K_M", 4),
        ("qwen2.5-0.5b-instruct-q8_0.gguf", "Q8_0", 8),
        ("Qwen3-0.6B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL", 4),
        ("Llama-3.3-70B.i1-IQ2_XXS.gguf", "IQ2_XXS", 2),
        ("BitNet-TQ1_0.gguf", "TQ1_0", 1),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4", 4),
        ("gpt-oss-20b-NVFP4.gguf", "NVFP4", 4),
        ("model-fp16.gguf", "FP16", 16),
        ("tiny.f16.gguf", "F16", 16),
        ("mmproj-BF16.gguf", "BF16", 16),
        ("Q4_K_M/model-00001-of-00002.gguf", "Q4_K_M", 4),
        ("Q4_K_M/model-Q8_0-00001-of-00002.gguf", "Q8_0", 8),
        ("model-Q4_0_4_4.gguf", "Q4_0_4_4", 4),
        ("model_Q5_K_S.gguf", "Q5_K_S", 5),
        ("model-Q6_K-imat.gguf", "Q6_K", 6),
        ("model.gguf", "", 0),
        ("tiny-instruct.gguf", "", 0),
        ("gemma-3-270m.gguf", "", 0),
        ("faq4_k.gguf", "", 0),
    ],
)
def test_the_quantisation_is_in_the_name_or_the_directory(
    path: str, quantisation: str, bits: int
) -> None:
    assert (model_files.quantisation(path), model_files.bits(path)) == (quantisation, bits)


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("m-Q8_0-00001-of-00003.gguf", Part("m-Q8_0", 1, 3)),
        ("Q8_0/m-00003-of-00003.GGUF", Part("Q8_0/m", 3, 3)),
        ("m-00001-of-00001.gguf", Part("m", 1, 1)),
        ("m-00004-of-00003.gguf", None),
        ("m-00000-of-00003.gguf", None),
        ("m-1-of-3.gguf", None),
        ("m-00001-of-00003.safetensors", None),
        ("m.gguf", None),
    ],
)
def test_a_part_says_which_of_how_many_it_is(path: str, part: Part | None) -> None:
    assert model_files.part_of(path) == part


@pytest.mark.parametrize(
    ("path", "is_model", "is_projector"),
    [
        ("tiny-Q8_0.gguf", True, False),
        ("sub/tiny.GGUF", True, False),
        ("mmproj/tiny.gguf", True, False),
        ("tiny-MTP-Q8_0.gguf", True, False),
        ("mmproj-F16.gguf", False, True),
        ("tiny.mmproj-Q8_0.gguf", False, True),
        ("MMPROJ.gguf", False, True),
        ("mtp-tiny.gguf", False, False),
        ("tiny-mtp-Q8_0.gguf", False, False),
        ("eagle3-tiny.gguf", False, False),
        ("dflash-tiny.gguf", False, False),
        ("dspark-tiny.gguf", False, False),
        ("tiny.imatrix.gguf", False, False),
        ("mmproj-F16.safetensors", False, False),
        ("tiny.gguf.part", False, False),
    ],
)
def test_not_every_gguf_file_is_a_model(path: str, is_model: bool, is_projector: bool) -> None:  # noqa: FBT001 (columns of the table)
    assert (model_files.is_model(path), model_files.is_projector(path)) == (is_model, is_projector)
