"""Use a server for the length of a block, whose outcome counts even if the clean-up fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.cli.output.terminal import print_error
from ramalama.errors import EngineFailure
from ramalama.events import EngineConnected

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

    from ramalama.cli.signals import Signals
    from ramalama.events import Event
    from ramalama.serving.server import ModelServer


class Serving:
    """Serves for the length of a block; a warning says if the server could not be removed.

    The block ends as without that error: an answer that was complete is a success. If the removal
    takes long, *signals* tells the user.
    """

    def __init__(self, server: AbstractContextManager[ModelServer], signals: Signals) -> None:
        self._server = server
        self._signals = signals

    def __enter__(self) -> ModelServer:
        return self._server.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._signals.expect_end()
        try:
            self._server.__exit__(kind, exc, traceback)
        except EngineFailure as failure:
            print_error(f"Warning: {failure}; the next command removes the container")


def note_engine(event: Event, signals: Signals) -> None:
    """Let *signals* name the engine if the clean-up takes long."""
    if isinstance(event, EngineConnected):
        signals.waits_for = f"{event.kind} to remove the container"
