"""Detect that a server's container has ended."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ramalama_engines.errors import EngineError, EngineUnavailable
from ramalama_engines.spec import ContainerStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama_engines.engine import Engine

_CHECK_INTERVAL = 0.25  # seconds


class ExitWatch:
    """Detects the end of a container at once, with a thread that waits for it."""

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine = engine
        self._container = container
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ramalama-watch", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether the container has ended or the engine does not answer."""
        return self._ended.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep for *seconds* or until the container ends, and return whether it has ended."""
        return self._ended.wait(seconds)

    def join(self, seconds: float) -> None:
        """Wait up to *seconds* for the end of the thread, which ends with the container."""
        self._thread.join(seconds)

    def _watch(self) -> None:
        try:
            self._engine.wait(self._container)
        except EngineError:
            pass  # the container was removed or the engine stopped; ExitReporter finds out which
        finally:
            self._ended.set()


class ExitPoll:
    """Detects the end of a container by asking the engine, without a thread.

    For a container that may run longer than this process uses it: a wait at the engine could not be
    cancelled. *connect* returns the engine, which is opened only when it is asked. *answers*
    returns whether the server answers; it is called if the engine does not.
    """

    def __init__(
        self, connect: Callable[[], Engine], container: str, answers: Callable[[], bool]
    ) -> None:
        self._connect = connect
        self._container = container
        self._answers = answers
        self._ended = False
        self._checked_at = float("-inf")

    @property
    def ended(self) -> bool:
        """Whether the container has ended, or neither its engine nor its server answers."""
        if not self._ended and time.monotonic() - self._checked_at >= _CHECK_INTERVAL:
            self._ended = self._has_ended()
            self._checked_at = time.monotonic()
        return self._ended

    def wait(self, seconds: float) -> bool:
        """Sleep for *seconds* or until the container ends, and return whether it has ended."""
        deadline = time.monotonic() + seconds
        while not self.ended and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _CHECK_INTERVAL))
        return self.ended

    def _has_ended(self) -> bool:
        try:
            status = self._connect().inspect(self._container).status
        except EngineUnavailable:
            return not self._answers()
        except EngineError:
            return True
        return status not in (ContainerStatus.RUNNING, ContainerStatus.PAUSED)
