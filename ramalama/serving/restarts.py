"""Decide whether a server that has died is started again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.config.options import check_seconds
from ramalama.errors import OptionRefused, ServerExited
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

_STOPPED = (0, 143)  # exit codes of a program that was asked to end: success, 128 + SIGTERM


@frozen()
class Restarts:
    """How often a server that dies by itself is started again.

    Attributes:
        most: how many deaths *within* that time are followed by a start; one more is the last.
        within: seconds.
    """

    most: int = 5
    within: float = 60.0

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            OptionRefused: *most* is not a whole number from 0, or *within* not a time.
        """
        _check_count("most", self.most)
        _check_time("within", self.within)

    def allow(self, deaths: Sequence[float]) -> bool:
        """Return whether a server is started again after *deaths*: times in seconds, in order."""
        return not deaths or self._count(deaths) <= self.most

    def give_up(self, why: ServerExited, deaths: Sequence[float]) -> ServerExited:
        """Return the error for a server that has died too often, the last time because of *why*."""
        count = self._count(deaths)
        often = "once" if count == 1 else f"{count} times"
        msg = f"{why.message}; it has died {often} in {self.within:g} s and is not started again"
        return ServerExited(msg, hint=why.hint, exit_code=why.exit_code, log_tail=why.log_tail)

    def _count(self, deaths: Sequence[float]) -> int:
        """Return how many of *deaths* were *within* that time before the last of them."""
        return sum(deaths[-1] - each <= self.within for each in deaths)


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        msg = f"{name} is a whole number, 0 or more, not {value!r}"
        raise OptionRefused(msg)


def _check_time(name: str, value: object) -> None:
    if value is None:
        msg = f"{name} is a number of seconds, 0 or more, not None"
        raise OptionRefused(msg)
    check_seconds(name, value)


def check_restarts(value: object) -> None:
    """Check that *value* is a `Restarts`.

    Raises:
        OptionRefused: it is not.
    """
    if not isinstance(value, Restarts):
        msg = f"restart is a Restarts or None, not {value!r}"
        raise OptionRefused(msg)


def is_death(exit_code: int | None, *, oom_killed: bool, engine_was_away: bool) -> bool:
    """Return whether a container that has ended with *exit_code* has died by itself.

    A server never ends by itself with success. One that has was asked to, for example by `podman
    stop`, and stays so; but an engine that is restarted asks all its containers to end, too.
    """
    return engine_was_away or oom_killed or exit_code not in _STOPPED
