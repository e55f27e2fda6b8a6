"""Whether a model fits, and what is said if it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ramalama.errors import ModelTooLarge
from ramalama.models.formats.gguf_metadata import parse_metadata
from ramalama.models.transports.selection.request import Variant
from ramalama.planning.memory.capacity import MemoryCapacity
from ramalama.planning.memory.estimate import ModelShape
from ramalama.planning.memory.fit import (
    check_context,
    check_weights,
    choose_context,
    describe_shortage,
    fit,
    weights_size,
)
from tests.unit.ramalama.made_up import OPTIONS, STORED
from tests.unit.ramalama.models.formats.made_gguf import llama

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.store.stored_model import StoredModel

GB = 10**9
MIB = 1024 * 1024
LAPTOP = MemoryCapacity(main=8 * GB)
WORKSTATION = MemoryCapacity(main=8 * GB, gpu=16 * GB)


@pytest.mark.parametrize(
    ("weights", "capacity"),
    [(8 * GB, LAPTOP), (24 * GB, WORKSTATION), (900 * GB, MemoryCapacity(main=None)), (0, LAPTOP)],
)
def test_weights_that_fit_are_let_through(weights: int, capacity: MemoryCapacity) -> None:
    check_weights("granite", weights, capacity)


def test_weights_that_do_not_fit_are_refused_with_the_figures() -> None:
    with pytest.raises(ModelTooLarge) as caught:
        check_weights("hf://ibm/granite", 43 * GB, WORKSTATION)

    assert str(caught.value) == (
        "hf://ibm/granite needs 43.0 GB for its weights alone, but 8.00 GB of memory are free, and "
        "the GPU has 16.0 GB; use a smaller model or a smaller variant (`run --force` tries it "
        "anyway)"
    )


def test_variants_that_fit_are_named_the_largest_first() -> None:
    variants = [
        Variant(name=name, reference=f"hf://ibm/granite:{name}", size=size * GB)
        for name, size in (("Q2_K", 2), ("Q4_K_M", 4), ("Q8_0", 9), ("Q3_K_S", 3), ("Q6_K", 6))
    ]

    with pytest.raises(ModelTooLarge) as caught:
        check_weights("hf://ibm/granite:F16", 16 * GB, LAPTOP, variants=variants)

    assert "what fits: hf://ibm/granite:Q6_K (6.00 GB), hf://ibm/granite:Q4_K_M (4.00 GB), " in str(
        caught.value
    )
    assert "Q8_0" not in str(caught.value)
    assert "Q2_K" not in str(caught.value)


def shape(context: int = 8192) -> ModelShape:
    found = ModelShape.of(parse_metadata(llama(context=context), name="m"), weights=90 * MIB)
    assert found is not None
    return found


def test_the_models_own_context_is_as_much_of_it_as_fits() -> None:
    options = replace(OPTIONS, ctx_size=0)

    tight = choose_context(options, shape(), MemoryCapacity(main=300 * MIB)).ctx_size

    assert tight is not None
    assert 0 < tight < 8192
    assert shape().need(tight).total <= 300 * MIB


@pytest.mark.parametrize(
    ("ctx_size", "capacity"),
    [
        (None, MemoryCapacity(main=300 * MIB)),
        (8192, MemoryCapacity(main=300 * MIB)),
        (0, LAPTOP),
        (0, MemoryCapacity(main=None)),
        (0, MemoryCapacity(main=MIB)),
    ],
)
def test_any_other_context_stays_what_it_is(ctx_size: int | None, capacity: MemoryCapacity) -> None:
    options = replace(OPTIONS, ctx_size=ctx_size)

    assert choose_context(options, shape(), capacity) == options


def test_a_shortage_is_described_with_its_parts_and_the_context_that_fits() -> None:
    capacity = MemoryCapacity(main=300 * MIB)
    fits = shape().largest_context(capacity.main or 0)

    said = describe_shortage("granite", shape().need(8192), shape(), capacity)

    assert said == (
        "granite will need about 400 MB (weights 94.4 MB, context 189 MB, computing 117 MB), but "
        f"315 MB of memory are free; it may be slow or fail; --ctx-size {fits} fits"
    )
    assert shape().need(fits).total <= 300 * MIB < shape().need(fits + 256).total


@pytest.mark.parametrize("capacity", [LAPTOP, WORKSTATION, MemoryCapacity(main=None)])
def test_where_there_is_none_nothing_is_said(capacity: MemoryCapacity) -> None:
    assert describe_shortage("granite", shape().need(8192), shape(), capacity) is None


def test_a_context_that_exceeds_all_memory_by_itself_is_refused_with_what_fits() -> None:
    capacity = MemoryCapacity(main=250 * MIB)

    with pytest.raises(ModelTooLarge) as caught:
        check_context("granite", shape().need(8192), shape(), capacity)

    assert str(caught.value) == (
        "granite needs 306 MB for its context alone, but 262 MB of memory are free; "
        "--ctx-size 2304 fits (`run --force` tries it anyway)"
    )
    check_context("granite", shape().need(2304), shape(), capacity)


def test_where_not_even_the_smallest_context_fits_a_smaller_variant_is_advised() -> None:
    with pytest.raises(ModelTooLarge, match="use a smaller variant of the model"):
        check_context("granite", shape().need(8192), shape(), MemoryCapacity(main=100 * MIB))


def file(path: Path, header: bytes, size: int) -> Path:
    """Make a model of *size* bytes, without the weights."""
    with path.open("wb") as content:
        content.write(header)
        content.truncate(size)
    return path


@pytest.fixture
def granite(tmp_path: Path) -> StoredModel:
    """A model of 90 MiB that was made for 8192 tokens."""
    return replace(STORED, weights=(file(tmp_path / "granite.gguf", llama(), 90 * MIB),))


def told(
    model: StoredModel,
    capacity: MemoryCapacity,
    **options: Any,  # noqa: ANN401 (of any option)
) -> tuple[int | None, list[str]]:
    """Return the context that was chosen, and what was said."""
    notices: list[str] = []
    fitted = fit(
        replace(OPTIONS, **options),
        model,
        capacity,
        on_event=lambda event: notices.append(str(event)),
    )
    return fitted.ctx_size, notices


@pytest.mark.parametrize(
    ("options", "capacity", "context", "words"),
    [
        ({}, MemoryCapacity(main=300 * MIB), None, []),
        ({"ctx_size": 8192}, LAPTOP, 8192, []),
        ({"ctx_size": 8192}, MemoryCapacity(main=350 * MIB), 8192, ["--ctx-size 6656 fits"]),
        ({"ctx_size": 8192}, MemoryCapacity(main=350 * MIB, gpu=GB), 8192, []),
        ({"ctx_size": 0}, MemoryCapacity(main=350 * MIB), 6656, []),
        ({"ctx_size": 0}, LAPTOP, 0, []),
        ({"ctx_size": 16384}, LAPTOP, 16384, ["at most 8192 tokens, not 16384: that is what "]),
        ({"ctx_size": 16384, "runtime": "vllm"}, MemoryCapacity(main=0, gpu=8 * GB), 16384, []),
        (
            {"ngl": 999},
            MemoryCapacity(main=8 * GB, gpu=GB // 10),
            None,
            ["--ngl -1 puts as many layers"],
        ),
        ({"ngl": 999}, MemoryCapacity(main=8 * GB, gpu=GB), None, []),
        ({"ngl": -1}, MemoryCapacity(main=8 * GB, gpu=GB // 10), None, []),
        (
            {"ctx_size": 8192, "force": True},
            MemoryCapacity(main=MIB),
            8192,
            ["it may be slow or fail"],
        ),
    ],
)
def test_a_model_is_held_against_the_memory_before_it_is_served(
    granite: StoredModel,
    options: dict[str, Any],
    capacity: MemoryCapacity,
    context: int | None,
    words: list[str],
) -> None:
    chosen, said = told(granite, capacity, **options)

    assert chosen == context
    assert len(said) == len(words)
    assert all(word in notice for word, notice in zip(words, said, strict=True))


def test_even_a_small_context_is_held_against_what_the_model_was_trained_with(
    tmp_path: Path,
) -> None:
    weights = file(tmp_path / "tiny.gguf", llama(context=2048), 90 * MIB)

    _, said = told(replace(STORED, weights=(weights,)), LAPTOP, ctx_size=4096)

    assert len(said) == 1
    assert "at most 2048 tokens, not 4096" in said[0]


def test_a_context_of_the_authors_choice_counts_as_one_of_the_users(granite: StoredModel) -> None:
    greedy = replace(granite, parameters={"num_ctx": 100_000})

    with pytest.raises(ModelTooLarge, match=r"for its context alone, .*--ctx-size \d+ fits"):
        told(greedy, MemoryCapacity(main=GB))


def test_all_that_is_loaded_beside_the_weights_is_weighed(
    granite: StoredModel, tmp_path: Path
) -> None:
    extras = [file(tmp_path / f"{size}", b"", size) for size in (1000, 200, 30, 4)]
    model = replace(
        granite, projectors=(extras[0],), adapters=(extras[1], extras[2]), draft=extras[3]
    )

    assert weights_size(model) == 90 * MIB + 1234


def test_a_draft_in_safetensors_is_weighed_by_its_files(tmp_path: Path) -> None:
    for name, size in (("config.json", 1), ("a.safetensors", 20), ("b.safetensors", 300)):
        file(tmp_path / name, b"", size)
    model = replace(STORED, weights=(tmp_path / "b.safetensors",), directory=tmp_path)

    assert weights_size(replace(model, draft=tmp_path)) == 620


def test_a_draft_takes_memory_for_its_context_too(granite: StoredModel) -> None:
    capacity = MemoryCapacity(main=600 * MIB)
    own_draft = replace(granite, draft=granite.weights[0])

    assert told(granite, capacity, ctx_size=8192) == (8192, [])
    _, (notice,) = told(own_draft, capacity, ctx_size=8192)
    assert "(weights 189 MB, context 377 MB, computing 235 MB)" in notice


def test_weights_and_projector_together_may_be_too_much(
    granite: StoredModel, tmp_path: Path
) -> None:
    model = replace(granite, projectors=(file(tmp_path / "mmproj", b"", 20 * MIB),))

    with pytest.raises(ModelTooLarge, match="needs 115 MB for its weights alone"):
        told(model, MemoryCapacity(main=100 * MIB))
    assert told(granite, MemoryCapacity(main=300 * MIB)) == (None, [])
