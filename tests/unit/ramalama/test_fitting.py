"""Whether a model fits, and what is said if it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ramalama.errors import ModelTooLarge
from ramalama.fitting import Room, check_weights, choose_context, describe_shortage
from ramalama.memory import MemoryNeed, ModelShape
from ramalama.store.gguf_metadata import parse_metadata
from ramalama.transports.wish import Choice
from ramalama_accel import Accelerator, AcceleratorKind
from ramalama_accel.base import Gpu
from tests.unit.ramalama.made_gguf import llama
from tests.unit.ramalama.made_up import CPU, OPTIONS

GB = 10**9
MIB = 1024 * 1024
LAPTOP = Room(main=8 * GB)
WORKSTATION = Room(main=8 * GB, gpu=16 * GB)


def cards(*memory: int | None) -> Accelerator:
    gpus = tuple(Gpu(index=index, memory=each) for index, each in enumerate(memory))
    return Accelerator(kind=AcceleratorKind.HIP, gpus=gpus)


@pytest.mark.parametrize(
    ("main", "accelerator", "total"),
    [
        (8 * GB, CPU, 8 * GB),
        (8 * GB, cards(16 * GB, 16 * GB), 40 * GB),
        (8 * GB, cards(16 * GB, None), None),
        (None, cards(16 * GB), None),
    ],
)
def test_the_room_is_all_memory_or_unknown(
    main: int | None, accelerator: Accelerator, total: int | None
) -> None:
    assert Room.of(main, accelerator).total == total


@pytest.mark.parametrize(
    ("weights", "room"),
    [(8 * GB, LAPTOP), (24 * GB, WORKSTATION), (900 * GB, Room(main=None)), (0, LAPTOP)],
)
def test_weights_that_fit_are_let_through(weights: int, room: Room) -> None:
    check_weights("granite", weights, room)


def test_weights_that_do_not_fit_are_refused_with_the_figures() -> None:
    with pytest.raises(ModelTooLarge) as caught:
        check_weights("hf://ibm/granite", 43 * GB, WORKSTATION)

    assert str(caught.value) == (
        "hf://ibm/granite needs 43.0 GB for its weights alone, but 8.00 GB of memory are free, and "
        "the GPU has 16.0 GB; take a smaller model, or a smaller variant (`run --force` tries it "
        "all the same)"
    )


def test_variants_that_fit_are_named_the_largest_first() -> None:
    variants = [
        Choice(name=name, reference=f"hf://ibm/granite:{name}", size=size * GB)
        for name, size in (("Q2_K", 2), ("Q4_K_M", 4), ("Q8_0", 9), ("Q3_K_S", 3), ("Q6_K", 6))
    ]

    with pytest.raises(ModelTooLarge) as caught:
        check_weights("hf://ibm/granite:F16", 16 * GB, LAPTOP, variants=variants)

    assert "what fits: hf://ibm/granite:Q6_K (6.00 GB), hf://ibm/granite:Q4_K_M (4.00 GB), " in str(
        caught.value
    )
    assert "Q8_0" not in str(caught.value)
    assert "Q2_K" not in str(caught.value)


@pytest.mark.parametrize(
    ("weights", "room", "clear"),
    [
        (3 * GB, LAPTOP, True),
        (5 * GB, LAPTOP, False),
        (5 * GB, WORKSTATION, True),
        (500 * GB, Room(main=None), True),
    ],
)
def test_only_a_tight_fit_is_worth_a_closer_look(weights: int, room: Room, clear: bool) -> None:  # noqa: FBT001 (a table's column)
    assert room.clearly_holds(weights) is clear


def shape(context: int = 8192) -> ModelShape:
    found = ModelShape.of(parse_metadata(llama(context=context), name="m"), weights=90 * MIB)
    assert found is not None
    return found


def test_the_models_own_context_is_as_much_of_it_as_fits() -> None:
    options = replace(OPTIONS, ctx_size=0)

    tight = choose_context(options, shape(), Room(main=300 * MIB)).ctx_size

    assert tight is not None
    assert 0 < tight < 8192
    assert shape().need(tight).total <= 300 * MIB


@pytest.mark.parametrize(
    ("ctx_size", "room"),
    [
        (None, Room(main=300 * MIB)),
        (8192, Room(main=300 * MIB)),
        (0, LAPTOP),
        (0, Room(main=None)),
        (0, Room(main=MIB)),
    ],
)
def test_any_other_context_stays_what_it_is(ctx_size: int | None, room: Room) -> None:
    options = replace(OPTIONS, ctx_size=ctx_size)

    assert choose_context(options, shape(), room) == options


def test_a_shortage_is_described_with_its_parts() -> None:
    need = MemoryNeed(weights=6 * GB, kv_cache=3 * GB, computing=GB // 2)

    said = describe_shortage("granite", need, LAPTOP)

    assert said == (
        "granite will need about 9.50 GB (weights 6.00 GB, context 3.00 GB, computing 500 MB), "
        "but 8.00 GB of memory are free; it may be slow or fail; a smaller --ctx-size needs less"
    )
    assert describe_shortage("granite", need, WORKSTATION) is None
    assert describe_shortage("granite", need, Room(main=None)) is None
