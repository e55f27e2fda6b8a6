"""An embedder that starts in a thread, beside the model's server, and is waited for when needed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ramalama.errors import EmbeddingFailed, StartCancelled

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ramalama.rag.values import Embedder

    Start = Callable[[threading.Event], AbstractContextManager[Embedder]]


class LateEmbedder:
    """Opens an embedder in a thread; *start* is given an event that cancels it."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._cancel = threading.Event()
        self._ready = threading.Event()
        self._embedder: Embedder | None = None
        self._failure: BaseException | None = None
        # What the embedder needs is closed by the thread that has opened it.
        self._thread = threading.Thread(target=self._run, name="ramalama-embedder", daemon=True)
        self._thread.start()

    def get(self) -> Embedder:
        """Wait for the embedder, and return it.

        Raises:
            RamalamaError: it could not be started.
        """
        self._ready.wait()
        if isinstance(self._failure, OSError):
            msg = f"the embedding model cannot be started: {self._failure}"
            raise EmbeddingFailed(msg) from self._failure
        if self._failure is not None:
            raise self._failure
        if self._embedder is None:
            msg = "the start of the embedding model was cancelled"
            raise StartCancelled(msg)
        return self._embedder

    def close(self) -> None:
        """Cancel the start, or close the embedder."""
        self._cancel.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._start(self._cancel) as self._embedder:
                self._ready.set()
                self._cancel.wait()
        except BaseException as exc:  # noqa: BLE001 (raised again by `get`)
            self._failure = exc
        finally:
            self._ready.set()
