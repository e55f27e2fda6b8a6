"""The request for a server: its options, and how to start it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.config.options import check_seconds
from ramalama.errors import OptionRefused, StartCancelled
from ramalama.events import ignore
from ramalama_values import frozen

if TYPE_CHECKING:
    import threading

    from ramalama.config.options import ServeOptions
    from ramalama.events import Event, EventHook
    from ramalama.serving.restarts import Restarts


READY_TIMEOUT = 600.0
"""Seconds that a model may take to load; from a slow disk, a large model takes minutes."""


@frozen()
class StartRequest:
    """A request for a server; see `Ramalama.start` for the fields.

    Only *options* determine what the server is like.
    """

    options: ServeOptions
    reuse: bool = False
    keep_alive: float | None = None
    ready_timeout: float | None = READY_TIMEOUT
    on_event: EventHook = ignore
    cancel: threading.Event | None = None
    restart: Restarts | None = None

    def __post_init__(self) -> None:
        """Check all but the options.

        Raises:
            OptionRefused: a number of seconds is not a number, or is less than 0; another field has
                a value of another type.
        """
        _check("reuse", self.reuse, _is_flag(self.reuse), "true or false")
        _check("on_event", self.on_event, callable(self.on_event), "a function")
        is_event = self.cancel is None or callable(getattr(self.cancel, "is_set", None))
        _check("cancel", self.cancel, is_event, "a threading.Event or None")
        check_seconds("keep_alive", self.keep_alive)
        check_seconds("ready_timeout", self.ready_timeout)
        if self.restart is not None:
            from ramalama.serving.restarts import check_restarts  # noqa: PLC0415 (rarely asked for)

            check_restarts(self.restart)

    @property
    def shares(self) -> bool:
        """Whether other processes may use the server."""
        return self.reuse or self.keep_alive is not None

    def tell(self, event: Event) -> None:
        """Pass *event* to the hook.

        Raises:
            StartCancelled: the start was cancelled.
        """
        raise_if_set(self.cancel)
        self.on_event(event)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _check(name: str, value: object, is_valid: bool, expected: str) -> None:  # noqa: FBT001
    if not is_valid:
        msg = f"{name} is {expected}, not {value!r}"
        raise OptionRefused(msg)


def raise_if_set(cancel: threading.Event | None) -> None:
    """Raise an error if *cancel* is set.

    Raises:
        StartCancelled: *cancel* is set.
    """
    if cancel is not None and cancel.is_set():
        raise start_cancelled()


def start_cancelled() -> StartCancelled:
    """Return the error for a start that was cancelled."""
    return StartCancelled("the start was cancelled")
