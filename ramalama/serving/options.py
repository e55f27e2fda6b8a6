"""What a start is given beside the options of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.config.options import check_seconds
from ramalama.errors import StartCancelled
from ramalama.events import ignore
from ramalama_values import frozen

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from ramalama.config.config import Config
    from ramalama.events import Event, EventHook
    from ramalama.models.library import Models
    from ramalama_accel.host import Host
    from ramalama_engines import InvokingUser


READY_TIMEOUT = 600.0
"""Seconds that a model may take to load; a large one from a slow disk takes minutes."""


@frozen()
class StartOptions:
    """What makes no difference to the server itself; see `Ramalama.start`."""

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
        """Whether others may use what is started."""
        return self.reuse or self.keep_alive is not None

    def tell(self, event: Event) -> None:
        """Pass an event on, unless the start was called off."""
        raise_if_set(self.cancel)
        self.on_event(event)


@frozen()
class StartContext:
    """Where servers are started, and for whom; see `ramalama.Ramalama`."""

    config: Config
    user: InvokingUser
    host: Host
    models: Models
    run_dir: Path


def raise_if_set(cancel: threading.Event | None) -> None:
    """Make sure that nobody has called the start off.

    Raises:
        StartCancelled: somebody has.
    """
    if cancel is not None and cancel.is_set():
        msg = "the start was called off"
        raise StartCancelled(msg)
