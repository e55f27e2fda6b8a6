"""Where an engine's errors become ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ramalama.errors import EngineFailure
from ramalama_engines.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def engine_errors() -> Generator[None]:
    """Turn what an engine raises in the block into `EngineFailure`."""
    try:
        yield
    except EngineError as exc:
        raise EngineFailure(exc) from exc
