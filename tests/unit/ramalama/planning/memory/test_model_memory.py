"""How much memory a model is given: enough for all that it may need."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ramalama.planning.memory.capacity import MemoryCapacity
from ramalama.planning.memory.fit import model_memory
from tests.unit.ramalama.made_up import OPTIONS, STORED
from tests.unit.ramalama.models.formats.made_gguf import llama

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.store.stored_model import StoredModel

MIB, GIB = 1 << 20, 1 << 30
WEIGHTS = 90 * MIB
PLENTY = MemoryCapacity(main=64 * GIB)
UNKNOWN = MemoryCapacity(main=None)


def stored(directory: Path, header: bytes, size: int = WEIGHTS) -> StoredModel:
    """Make a model of *size* bytes, without the weights."""
    path = directory / "model.gguf"
    with path.open("wb") as content:
        content.write(header)
        content.truncate(size)
    return replace(STORED, weights=(path,))


def memory(
    model: StoredModel,
    capacity: MemoryCapacity = PLENTY,
    **options: Any,  # noqa: ANN401 (of any option)
) -> int | None:
    return model_memory(replace(OPTIONS, **options), model, capacity)


@pytest.mark.parametrize("ctx_size", [None, 256, 4096])
def test_with_a_usual_context_it_is_twice_the_weights_and_the_header_is_not_read(
    tmp_path: Path, ctx_size: int | None
) -> None:
    assert memory(stored(tmp_path, b"no header"), ctx_size=ctx_size) == 2 * WEIGHTS


def test_a_large_context_is_added(tmp_path: Path) -> None:
    model = stored(tmp_path, llama(context=131072))

    small, large = memory(model, ctx_size=32768), memory(model, ctx_size=131072)

    assert small is not None
    assert large is not None
    assert small > WEIGHTS + 32768 * 22 * 1024  # tokens, and bytes of each in the cache
    assert large > WEIGHTS + 131072 * 22 * 1024


def test_the_models_own_context_is_that_of_its_header(tmp_path: Path) -> None:
    model = stored(tmp_path, llama(context=65536))

    assert memory(model, ctx_size=0) == memory(model, ctx_size=65536)


def test_the_copies_of_layers_with_a_window_are_added(tmp_path: Path) -> None:
    plain = memory(stored(tmp_path, llama(architecture="gemma3")), ctx_size=32768)
    windowed = memory(stored(tmp_path, llama(architecture="gemma3", window=1024)), ctx_size=32768)

    layers = 25 * 1536 * 3 * 64 * 2 * 2  # layers, tokens, heads, their size, keys and values, bytes
    full = 25 * 32768 * 3 * 64 * 2 * 2
    assert plain is not None
    assert windowed == plain - full + layers + 8 * layers


@pytest.mark.parametrize("options", [{"runtime_args": ("-ub", "8192")}, {"env": {"A": "1"}}])
def test_what_the_server_is_told_past_us_may_take_what_is_free(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    model = stored(tmp_path, llama())

    assert memory(model, **options) == 64 * GIB
    assert memory(model, MemoryCapacity(main=MIB), **options) == 2 * WEIGHTS
    assert memory(model, UNKNOWN, **options) is None


def test_a_header_that_says_nothing_may_take_what_is_free(tmp_path: Path) -> None:
    silent = stored(tmp_path, llama(layers=0))

    assert memory(silent, ctx_size=8192) == 64 * GIB
    assert memory(silent, UNKNOWN, ctx_size=8192) is None


def test_a_host_whose_memory_is_unknown_limits_it_as_well(tmp_path: Path) -> None:
    assert memory(stored(tmp_path, llama()), UNKNOWN) == 2 * WEIGHTS
