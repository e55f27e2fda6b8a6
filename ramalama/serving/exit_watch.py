"""Notice that a server's container has ended."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ramalama_engines.errors import EngineError, EngineUnavailable
from ramalama_engines.spec import ContainerStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama_engines.engine import Engine

_LOOK_INTERVAL = 0.25  # seconds


class ExitWatch:
    """Notices the end of a container by itself, in a thread that waits for nothing else."""

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine = engine
        self._container = container
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ramalama-watch", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether the container has ended, or the engine can no longer tell."""
        return self._ended.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep for *seconds*, or until the container ends; tell whether it has."""
        return self._ended.wait(seconds)

    def join(self, seconds: float) -> None:
        """Wait for the thread, which ends with the container."""
        self._thread.join(seconds)

    def _watch(self) -> None:
        try:
            self._engine.wait(self._container)
        except EngineError:
            pass  # removed, or the engine is gone: whoever looks closer finds out which
        finally:
            self._ended.set()


class ExitPoll:
    """Notices the end of a container when asked, and leaves no thread that waits for it.

    For a container that may outlive our interest in it: an engine's answer to "wait for its end"
    could not be called off. *connect* returns the engine, which is not opened before it is asked.
    *answers* tells whether the server itself does, for when its engine is away.
    """

    def __init__(
        self, connect: Callable[[], Engine], container: str, answers: Callable[[], bool]
    ) -> None:
        self._connect = connect
        self._container = container
        self._answers = answers
        self._ended = False
        self._looked = float("-inf")

    @property
    def ended(self) -> bool:
        """Whether the container has ended, or neither its engine nor its server answers."""
        if not self._ended and time.monotonic() - self._looked >= _LOOK_INTERVAL:
            self._ended = self._look()
            self._looked = time.monotonic()
        return self._ended

    def wait(self, seconds: float) -> bool:
        """Sleep for *seconds*, or until the container ends; tell whether it has."""
        deadline = time.monotonic() + seconds
        while not self.ended and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_INTERVAL))
        return self.ended

    def _look(self) -> bool:
        try:
            status = self._connect().inspect(self._container).status
        except EngineUnavailable:
            return not self._answers()
        except EngineError:
            return True
        return status not in (ContainerStatus.RUNNING, ContainerStatus.PAUSED)
