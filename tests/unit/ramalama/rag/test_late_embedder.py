"""An embedder that starts in a thread, whatever comes of it."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import EmbeddingFailed
from ramalama.rag.late_embedder import LateEmbedder

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from ramalama.rag.values import Embedder


def test_a_full_disk_at_the_start_is_a_failure_of_the_model() -> None:
    @contextmanager
    def start(_: threading.Event) -> Generator[Embedder]:
        raise OSError(errno.ENOSPC, "No space left on device", "/run/x")
        yield

    late = LateEmbedder(start)

    with pytest.raises(EmbeddingFailed, match="No space left on device"):
        late.get()
    late.close()
