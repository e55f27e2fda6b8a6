"""How much memory a server will find."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ramalama.errors import ModelTooLarge
from ramalama.planning.memory.capacity import MemoryCapacity
from ramalama.planning.memory.fit import check_weights
from ramalama_accel import Accelerator, AcceleratorKind, Gpu, Memory, MemorySource, RuntimeName
from ramalama_accel.values import SHARED_MEMORY
from tests.unit.ramalama.made_up import CPU, OPTIONS

GB = 10**9
VLLM = RuntimeName.VLLM
VULKAN = AcceleratorKind.VULKAN


def cards(*memory: Memory | int | None, kind: AcceleratorKind = AcceleratorKind.HIP) -> Accelerator:
    told = [exactly(each) if isinstance(each, int) else each for each in memory]
    gpus = tuple(Gpu(index=index, memory=each) for index, each in enumerate(told))
    return Accelerator(kind=kind, gpus=gpus)


def exactly(total: int, free: int | None = None) -> Memory:
    return Memory(total=total, source=MemorySource.KERNEL, free=free)


BUSY = cards(exactly(16 * GB, free=4 * GB), kind=VULKAN)
RTX = Memory.of_model(24)


@pytest.mark.parametrize(
    ("main", "accelerator", "total"),
    [
        (8 * GB, CPU, 8 * GB),
        (8 * GB, cards(16 * GB, 16 * GB), 40 * GB),
        (8 * GB, cards(16 * GB, None), None),
        (8 * GB, BUSY, 12 * GB),
        (None, cards(16 * GB), None),
        (8 * GB, cards(SHARED_MEMORY), 8 * GB),
        (8 * GB, cards(SHARED_MEMORY, 16 * GB), 24 * GB),
    ],
)
def test_the_room_is_all_memory_that_is_free_or_unknown(
    main: int | None, accelerator: Accelerator, total: int | None
) -> None:
    assert MemoryCapacity.of(main, accelerator).total == total
    assert MemoryCapacity.of(main, accelerator, OPTIONS).total == total


@pytest.mark.parametrize(
    ("accelerator", "options", "main", "gpu"),
    [
        (cards(16 * GB), {"ngl": 0}, 8 * GB, 0),
        (cards(16 * GB), {"ngl": 999}, 8 * GB, 16 * GB),
        (cards(16 * GB), {"devices": ()}, 8 * GB, 0),
        (cards(None), {"devices": ()}, 8 * GB, 0),
        (cards(20 * GB), {"runtime": VLLM}, 0, 18 * GB),
        (cards(20 * GB), {"runtime": VLLM, "ngl": 0}, 0, 18 * GB),
        (cards(16 * GB), {"runtime": VLLM, "devices": ()}, 8 * GB, 0),
        (cards(20 * GB, 24 * GB), {"runtime": VLLM}, 0, 36 * GB),
        (cards(16 * GB, None), {"runtime": VLLM}, 0, None),
        (cards(16 * GB, kind=VULKAN), {"runtime": VLLM}, 8 * GB, 0),
        (CPU, {"runtime": VLLM}, 8 * GB, 0),
        (cards(SHARED_MEMORY), {"runtime": VLLM}, 8 * GB, 0),
        (cards(SHARED_MEMORY, 20 * GB), {"runtime": VLLM}, 0, 18 * GB),
    ],
)
def test_only_memory_that_the_server_will_use_counts(
    accelerator: Accelerator, options: dict[str, Any], main: int, gpu: int | None
) -> None:
    assert MemoryCapacity.of(8 * GB, accelerator, replace(OPTIONS, **options)) == MemoryCapacity(
        main=main, gpu=gpu
    )


@pytest.mark.parametrize(
    ("accelerator", "exact"),
    [
        (cards(16 * GB), True),
        (cards(SHARED_MEMORY), True),
        (cards(RTX), False),
        (cards(16 * GB, RTX), False),
    ],
)
def test_what_a_model_s_name_says_is_no_exact_number(
    accelerator: Accelerator,
    exact: bool,  # noqa: FBT001 (a table's column)
) -> None:
    assert MemoryCapacity.of(8 * GB, accelerator).exact is exact


def test_what_not_even_the_largest_card_of_that_name_would_hold_is_refused() -> None:
    capacity = MemoryCapacity.of(8 * GB, cards(RTX))
    check_weights("granite", 33 * GB, capacity)

    with pytest.raises(ModelTooLarge, match=r"8.00 GB .* and the GPU has at most 25.8 GB"):
        check_weights("granite", 34 * GB, capacity)


@pytest.mark.parametrize(
    ("weights", "capacity", "clear"),
    [
        (3 * GB, MemoryCapacity(main=8 * GB), True),
        (5 * GB, MemoryCapacity(main=8 * GB), False),
        (5 * GB, MemoryCapacity(main=8 * GB, gpu=16 * GB), True),
        (500 * GB, MemoryCapacity(main=None), True),
    ],
)
def test_only_a_tight_fit_is_worth_a_closer_look(
    weights: int,
    capacity: MemoryCapacity,
    clear: bool,  # noqa: FBT001 (a table's column)
) -> None:
    assert capacity.certainly_fits(weights) is clear


@pytest.mark.parametrize(
    ("capacity", "words"),
    [
        (MemoryCapacity(main=8 * GB), "8.00 GB of memory are free"),
        (
            MemoryCapacity(main=8 * GB, gpu=GB),
            "8.00 GB of memory are free, and the GPU has 1.00 GB",
        ),
        (MemoryCapacity(main=0, gpu=GB), "the GPU has 1.00 GB"),
        (MemoryCapacity(main=0, gpu=GB, exact=False), "the GPU has at most 1.00 GB"),
    ],
)
def test_a_room_is_described_by_what_there_is(capacity: MemoryCapacity, words: str) -> None:
    assert str(capacity) == words
