"""What is asked: a server, and how its start is gone about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.config.options import check_seconds
from ramalama.errors import StartCancelled
from ramalama.events import ignore
from ramalama_values import frozen

if TYPE_CHECKING:
    import threading

    from ramalama.config.options import ServeOptions
    from ramalama.events import Event, EventHook


READY_TIMEOUT = 600.0
"""Seconds that a model may take to load; a large one from a slow disk takes minutes."""


@frozen()
class StartRequest:
    """A server that is wanted; see `Ramalama.start`.

    All but *options* makes no difference to the server itself.
    """

    options: ServeOptions
    reuse: bool = False
    keep_alive: float | None = None
    ready_timeout: float | None = READY_TIMEOUT
    on_event: EventHook = ignore
    cancel: threading.Event | None = None

    def __post_init__(self) -> None:
        """Refuse what is no time.

        Raises:
            OptionRefused: a number of seconds is none, or less than 0.
        """
        check_seconds("keep_alive", self.keep_alive)
        check_seconds("ready_timeout", self.ready_timeout)

    @property
    def shares(self) -> bool:
        """Whether other processes may use what is started."""
        return self.reuse or self.keep_alive is not None

    def tell(self, event: Event) -> None:
        """Pass an event on, unless the start was called off."""
        raise_if_set(self.cancel)
        self.on_event(event)


def raise_if_set(cancel: threading.Event | None) -> None:
    """Make sure that the start was not called off.

    Raises:
        StartCancelled: it was.
    """
    if cancel is not None and cancel.is_set():
        raise start_cancelled()


def start_cancelled() -> StartCancelled:
    """Return the error of a start that was called off."""
    return StartCancelled("the start was called off")
