"""How much memory a model will need, held against what llama.cpp's own log said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama.models.formats.gguf_metadata import parse_metadata
from ramalama.planning.memory.estimate import ModelShape
from tests.unit.ramalama.models.formats.made_gguf import gguf, llama, scalar, string

if TYPE_CHECKING:
    from tests.unit.ramalama.models.formats.made_gguf import Entry

MIB = 1024 * 1024
SMOLLM2 = llama()
GEMMA3 = llama(
    architecture="gemma3",
    layers=18,
    width=640,
    heads=4,
    kv_heads=1,
    head_size=256,
    window=512,
    vocabulary=262144,
    context=32768,
)


def shape(content: bytes, *, weights: int = 0) -> ModelShape:
    found = ModelShape.of(parse_metadata(content, name="model"), weights=weights)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("model", "context", "kv_cache"),
    [
        (SMOLLM2, 512, 11.25),
        (SMOLLM2, 2048, 45),
        (SMOLLM2, 8192, 180),
        (GEMMA3, 2048, 21),
        (GEMMA3, 32768, 111),
    ],
)
def test_the_cache_is_what_llama_cpp_says(model: bytes, context: int, kv_cache: float) -> None:
    assert shape(model).need(context).kv_cache == kv_cache * MIB


@pytest.mark.parametrize(
    ("model", "context", "computing"),
    [
        (SMOLLM2, 512, 102.1),
        (SMOLLM2, 8192, 109.6),
        (GEMMA3, 2048, 522.5),
        (GEMMA3, 32768, 551.3),
    ],
)
def test_the_rest_is_near_to_what_llama_cpp_says(
    model: bytes, context: int, computing: float
) -> None:
    assert shape(model).need(context).computing == pytest.approx(computing * MIB, rel=0.03)


def test_a_window_of_an_unknown_architecture_is_not_counted_on() -> None:
    known = llama(architecture="gemma3", window=512)
    unknown = llama(architecture="gemma9", window=512)

    assert shape(unknown).need(8192).kv_cache == shape(SMOLLM2).need(8192).kv_cache
    assert shape(known).need(8192).kv_cache < shape(unknown).need(8192).kv_cache


def test_layers_may_differ_and_some_keep_nothing() -> None:
    mixed = llama(layers=4, kv_heads=(3, 0, 3, 0))

    assert shape(mixed).need(512).kv_cache == shape(llama(layers=2)).need(512).kv_cache


def test_a_context_is_rounded_up_as_llama_cpp_does() -> None:
    model = shape(SMOLLM2)

    assert model.need(1).total == model.need(256).total < model.need(257).total


@pytest.mark.parametrize("weights", [0, 90 * MIB])
def test_the_largest_context_fits_and_a_larger_one_does_not(weights: int) -> None:
    model = shape(SMOLLM2, weights=weights)
    memory = 250 * MIB

    context = model.largest_context(memory)

    assert model.need(context).total <= memory < model.need(context + 256).total


@pytest.mark.parametrize(("memory", "context"), [(10**15, 8192), (50 * MIB, 0), (0, 0)])
def test_the_largest_context_lies_between_nothing_and_the_models_own(
    memory: int, context: int
) -> None:
    assert shape(SMOLLM2, weights=90 * MIB).largest_context(memory) == context


def test_the_total_is_the_sum_with_the_weights() -> None:
    need = shape(SMOLLM2, weights=90 * MIB).need(512)

    assert need.total == 90 * MIB + need.kv_cache + need.computing


@pytest.mark.parametrize(
    "content",
    [
        gguf({}),
        gguf({"general.architecture": string("clip")}),
        llama(layers=0),
        llama(heads=0, layers=0),
        gguf({"split.no": scalar(2, 1)}),
    ],
)
def test_a_header_that_tells_too_little_gives_no_estimate(content: bytes) -> None:
    assert ModelShape.of(parse_metadata(content, name="model"), weights=1) is None


@pytest.mark.parametrize(
    ("key", "entry"),
    [
        ("attention.head_count_kv", scalar(3, -8195)),
        ("attention.head_count_kv", scalar(7, 1)),
        ("attention.head_count_kv", scalar(12, float("nan"))),
        ("attention.key_length", scalar(11, -(2**62))),
        ("attention.sliding_window", scalar(5, -(2**31))),
        ("attention.sliding_window", scalar(10, 2**63)),
        ("vocab_size", scalar(5, -1)),
        ("context_length", scalar(11, -1)),
    ],
)
def test_a_number_that_cannot_be_counts_as_missing(key: str, entry: Entry) -> None:
    hostile = llama(architecture="gemma3", instead={key: entry})
    silent = llama(architecture="gemma3", instead={key: string("missing")})

    assert shape(hostile, weights=7) == shape(silent, weights=7)
    assert shape(hostile, weights=7).need(8192).kv_cache > 0


@pytest.mark.parametrize("key", ["embedding_length", "block_count", "attention.head_count"])
@pytest.mark.parametrize("entry", [scalar(3, -576), scalar(10, 2**63)])
def test_without_a_number_that_can_be_there_is_no_estimate(key: str, entry: Entry) -> None:
    hostile = parse_metadata(llama(instead={key: entry}), name="model")

    assert ModelShape.of(hostile, weights=7) is None


def test_hostile_numbers_of_heads_give_an_estimate_or_none() -> None:
    assert shape(llama(heads=0)).need(512).kv_cache == 0
    assert shape(llama(layers=2, kv_heads=(1,))).need(512).kv_cache > 0
