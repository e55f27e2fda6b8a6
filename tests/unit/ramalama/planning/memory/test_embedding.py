"""How much memory an embeddings server takes, and what is done where there is less."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import ModelTooLarge
from ramalama.events import Notice
from ramalama.models.formats.gguf_metadata import parse_metadata
from ramalama.planning.memory.capacity import MemoryCapacity
from ramalama.planning.memory.embedding import fit_limits, need_of, server_memory
from ramalama.planning.memory.estimate import ModelShape
from ramalama.runtimes.base import EmbeddingLimits
from tests.unit.ramalama.made_up import INPUTS, OPTIONS, STORED
from tests.unit.ramalama.models.formats.made_gguf import llama

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.events import Event
    from ramalama.models.store.stored_model import StoredModel

MIB, GIB = 1 << 20, 1 << 30
WEIGHTS = 44 * MIB
MINILM = llama(
    architecture="bert", layers=6, width=384, heads=12, kv_heads=12, vocabulary=30522, context=512
)
EMBED = replace(OPTIONS, embeddings=True)
LONG = EmbeddingLimits(text=8192)
STORED_NOWHERE = replace(STORED, weights=())


def stored(directory: Path, header: bytes = MINILM) -> StoredModel:
    """Make a model of 44 MiB, without the weights."""
    path = directory / "model.gguf"
    with path.open("wb") as content:
        content.write(header)
        content.truncate(WEIGHTS)
    return replace(STORED, weights=(path,))


@pytest.mark.parametrize(("tokens", "reserved"), [(512, 8.02), (2048, 38.08), (8192, 248.31)])
def test_the_estimate_is_a_little_more_than_llama_cpp_reserves_for_minilm(
    tokens: int, reserved: float
) -> None:
    shape = ModelShape.of(parse_metadata(MINILM, name="m"), weights=WEIGHTS)
    assert shape is not None

    need = need_of(shape, EmbeddingLimits(text=tokens))

    assert 1 < need.computing / MIB / reserved < 1.7
    assert need.kv_cache == 0


def test_a_model_that_reads_from_left_to_right_has_a_cache() -> None:
    shape = ModelShape.of(parse_metadata(llama(), name="m"), weights=WEIGHTS)
    assert shape is not None

    need = need_of(shape, EmbeddingLimits(text=2048, whole=False, encodes=False))

    assert need.kv_cache == 45 * MIB


def test_a_text_is_shortened_to_what_fits_and_a_notice_says_so(tmp_path: Path) -> None:
    told: list[Event] = []

    limits = fit_limits(
        EMBED, stored(tmp_path), LONG, MemoryCapacity(main=200 * MIB), on_event=told.append
    )

    assert limits == replace(LONG, text=4096)
    (notice,) = told
    assert isinstance(notice, Notice)
    assert notice.message.startswith("a text may have 4096 tokens, not 8192: ")


def test_a_length_that_the_user_chose_is_refused_or_forced(tmp_path: Path) -> None:
    asked, model = replace(EMBED, ctx_size=8192), stored(tmp_path)
    small = MemoryCapacity(main=200 * MIB)

    with pytest.raises(ModelTooLarge, match="use --ctx-size 4096, or --force"):
        fit_limits(asked, model, LONG, small)
    assert fit_limits(replace(asked, force=True), model, LONG, small) is LONG


@pytest.mark.parametrize("main", [8 * GIB, None])
def test_what_fits_or_cannot_be_known_is_left_as_it_is(tmp_path: Path, main: int | None) -> None:
    assert fit_limits(EMBED, stored(tmp_path), LONG, MemoryCapacity(main=main)) is LONG
    assert fit_limits(EMBED, STORED_NOWHERE, None, MemoryCapacity(main=main)) is None


def test_the_limit_of_the_container_has_room_for_the_longest_text(tmp_path: Path) -> None:
    inputs = replace(INPUTS, options=EMBED, model=stored(tmp_path), embedding=LONG)
    capacity = MemoryCapacity(main=8 * GIB)

    memory = server_memory(inputs, capacity)

    assert memory is not None
    assert 300 * MIB < memory < 600 * MIB
    assert server_memory(
        replace(inputs, options=replace(EMBED, runtime_args=("-x",))), capacity
    ) == (8 * GIB)
    short = replace(inputs, embedding=EmbeddingLimits(text=512))
    assert server_memory(short, capacity) == 2 * WEIGHTS
